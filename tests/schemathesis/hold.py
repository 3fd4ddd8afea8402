"""Two nodes with a case between them, and Schemathesis at the door of one of them, once for each role.

Real processes in a temporary folder, on ports that the system chooses; nothing is left running.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

LAPWING, ST = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
ROLES = ["analyst", "officer", "admin", "auditor"]
# ends the node, or does not end
LEFT_OUT = ["Shutdown", "Events"]
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
]
PATIENCE = 60


def verb(*args):
    """Runs a verb that must work; its JSON."""
    done = subprocess.run([LAPWING, *args, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"lapwing {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def until(what, attempt):
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        try:
            if found := attempt():
                return found
        except (OSError, KeyError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    sys.exit(f"not within {PATIENCE} s: {what}")


class Town:
    """A federation of two founders."""

    def __init__(self, folder):
        self.folder = folder
        self.children = []
        names = ["harbour", "polder"]
        for name in names:
            verb(
                "--data", folder / name, "init", "--short-name", name, "--legal-name", name, "--country", "GB",
                "--category", "consumer_protection", "--keys-out", folder / f"{name}-keys", "--founder",
                "--insecure-no-passphrase",
            )
        inceptions = ", ".join(f'"{name}-keys/{name}.inception"' for name in names)
        charter = folder / "charter.toml"
        charter.write_text(f'name = "Test"\nfounders = [{inceptions}]\n[params]\nwindow = "1s"\ngrace = "1s"\n')
        verb("charter", "new", charter, "-o", folder / "unsigned")
        for name in names:
            root = folder / f"{name}-keys" / "root-1.key"
            verb("charter", "sign", folder / "unsigned", "--root-key", root, "--yes", "-o", folder / f"{name}.sig")
        signed = [folder / f"{name}.sig" for name in names]
        verb("charter", "join", folder / "unsigned", *signed, "-o", folder / "charter.lapwing")
        bootstrap = []
        for name in names:
            verb("--data", folder / name, "charter", "install", folder / "charter.lapwing")
            self.start(name, bootstrap)
            bootstrap = ["--bootstrap", self.ask(name, "GET", "/status")["listening"][0]]
        for name in names:
            until(f"{name} may sign", lambda: self.ask(name, "GET", "/status")["connected"] > 0)

    def start(self, name, more):
        log = open(self.folder / f"{name}.log", "wb")
        args = [LAPWING, "--data", self.folder / name, "run", "--insecure-no-passphrase"]
        args += ["--api-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", *more]
        child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        self.children.append(child)
        until(f"{name} answers", lambda: self.ask(name, "GET", "/status"))

    def address(self, name):
        return (self.folder / name / "run" / "api.address").read_text().strip()

    def ask(self, name, method, path, body=None, token="api"):
        secret = (self.folder / name / "run" / f"{token}.token").read_text().strip()
        headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://{self.address(name)}/api/v1{path}"
        request = urllib.request.Request(url, method=method, headers=headers, data=data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()


def a_case(town):
    """A referral of harbour's at polder, and a proposal that waits: what the paths of real requests name."""
    contact = {
        "slot": "intake", "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{"kind": "email", "value": "x@harbour.example"}],
        "deputy": None, "reconfirm_by": 4102444800000, "withdrawn": False,
    }
    until("harbour may sign", lambda: town.ask("harbour", "GET", "/status")["signing"] == "ok")
    town.ask("harbour", "POST", "/contacts", contact)
    until("polder can be sealed to", lambda: town.ask("harbour", "GET", "/members/polder")["sealable"])
    known = {"band": 2, "basis": "counted_complaints"}
    form = {
        "pro_forma_version": 1, "kind": "request_enforcement", "subject_line": "Mails from hosting.example",
        "requester_ref": "HB-1", "language": "en", "created_at": "2026-11-01", "poc_ref": "intake",
        "legal_authority": {"law": "Spam Act"}, "tlp": "amber+strict", "retention_until": "2028-01-31",
        "channel": "email", "conduct": ["deceptive_offer"], "narrative": "Forty complaints within a week.",
        "parties": [{"role": "suspected_sender", "identifiers": [{"kind": "ip", "value": "192.0.2.7"}]}],
        "harm": [{"factor": "victims", **known}, {"factor": "gravity", **known}],
        "assistance": [{"kind": "identify", "description": "Who rents 192.0.2.7?", "needed_by": "2027-12-31"}],
        "declarations": {"accuracy": True, "authority": True, "confidentiality": True},
    }
    draft = town.ask("harbour", "POST", "/referrals/drafts", {})["thread"]
    try:
        town.ask("harbour", "POST", f"/referrals/{draft}/submit", {"to": "polder", "form": form})
    except urllib.error.HTTPError as error:
        sys.exit(f"the referral is refused: {error.read().decode()}")
    amend = {"act": "amend", "window_ms": 5000, "expires_in_ms": 86400000, "statement": "because"}
    proposal = town.ask("harbour", "POST", "/proposals", amend)["id"]
    return draft, proposal


def hold(town, role, secret, name, parameters, what):
    """One run of Schemathesis; whether it found nothing."""
    config = town.folder / f"{name}.toml"
    lines = [f'"{key}" = "{value}"' for key, value in parameters.items()]
    token = f'[auth.openapi.token]\nbearer = "{secret}"\n'
    config.write_text("\n".join(["[parameters]", *lines, token]))
    args = [
        ST, "--config-file", config, "run", f"http://{town.address('harbour')}/api/v1/openapi.json",
        "--checks", ",".join(CHECKS), "--seed", "1",
        "--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off", "--no-color",
        "--generation-database", "none", "--continue-on-failure",
    ]
    for operation in LEFT_OUT:
        args += ["--exclude-operation-id", operation]
    begun = time.monotonic()
    done = subprocess.run([*args, *what], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=town.folder)
    took = time.monotonic() - begun
    if done.returncode:
        print(done.stdout)
    else:
        cases = [line.strip() for line in done.stdout.splitlines() if "generated" in line or "test cases" in line.lower()]
        print(f"{role}, {name}: nothing found in {took:.0f} s; {' '.join(cases[-1:])}", flush=True)
    return not done.returncode


def main():
    with tempfile.TemporaryDirectory(prefix="lapwing-schemathesis-") as folder:
        folder = pathlib.Path(folder)
        town = Town(folder)
        try:
            thread, proposal = a_case(town)
            exists = {"path.name": "polder", "path.thread": thread, "path.id": proposal}
            clean = True
            for role in ROLES:
                made = town.ask("harbour", "POST", "/tokens", {"name": f"hold-{role}", "role": role}, token="admin")
                secret = made["secret"]
                what = ["--phases", "examples,coverage,fuzzing", "--max-examples", "40"]
                clean &= hold(town, role, secret, "anything", {}, what)
                # with what exists in the paths, so that answers are more than refusals
                what = ["--phases", "fuzzing", "--mode", "positive", "--max-examples", "25"]
                what += ["--exclude-operation-id", "DropProposal", "--exclude-operation-id", "TokenRevoke"]
                clean &= hold(town, role, secret, "what-exists", exists, what)
            for name in ["harbour", "polder"]:
                if (folder / f"{name}.log").read_text(errors="replace").count("panicked"):
                    print(f"{name} panicked: {(folder / f'{name}.log').read_text(errors='replace')[-4000:]}")
                    clean = False
        finally:
            town.end()
    sys.exit(0 if clean else 1)


main()
