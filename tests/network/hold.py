"""Sixteen real nodes on a network of their own: founded, grown, cut in two, healed.

    hub namespace:   bridge west ──── the link that is cut ──── bridge east
                      │ veth × 8                                 │ veth × 8
    a namespace for each node, 10.66.0.N, with no way out

Every process and namespace made here is ended here, whatever happens.
"""

import ctypes
import http.client
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time

LAPWING = pathlib.Path(sys.argv[1]).resolve()
FOUNDERS, JOINED = 8, 8
CUT_SECONDS = float(os.environ.get("LAPWING_CUT", "40"))
HEALED_WITHIN = 30
TAG = f"lapwing-{os.getpid()}"
PORT, API_PORT = 7420, 7421
CLONE_NEWNET = 0x40000000
RATE = ["rate", "50mbit", "burst", "64kb", "latency", "100ms"]
DELAY = ["delay", "20ms", "5ms"]


def sh(*args, quiet=False):
    done = subprocess.run(args, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode and not quiet:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stdout}{done.stderr}")
    return done.returncode == 0


def until(what, attempt, patience=60):
    begun = time.monotonic()
    last = None
    while time.monotonic() - begun < patience:
        try:
            if found := attempt():
                return found
        except (OSError, KeyError, http.client.HTTPException, RuntimeError) as error:
            last = error
        time.sleep(0.1)
    raise RuntimeError(f"not within {patience} s: {what} {last or ''}")


class Inside(threading.Thread):
    """A thread inside a namespace: sockets that it makes belong there. One request at a time."""

    def __init__(self, namespace):
        super().__init__(daemon=True)
        self.namespace, self.jobs = namespace, queue.Queue()
        self.start()

    def run(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.namespace}") as place:
            if libc.setns(place.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        while True:
            job, answer = self.jobs.get()
            try:
                answer.put((job(), None))
            except Exception as error:  # handed to whoever asked
                answer.put((None, error))

    def do(self, job):
        answer = queue.Queue()
        self.jobs.put((job, answer))
        value, error = answer.get()
        if error:
            raise error
        return value


class Network:
    """The namespaces, the bridges and the wires."""

    def __init__(self, names):
        self.names, self.hub, self.made = names, f"{TAG}-hub", []
        self.shaped = "no rate limits: this kernel has no tbf"
        self.delayed = "no delay: this kernel has no netem"

    def namespace(self, name):
        return f"{TAG}-{name}"

    def address(self, name):
        return f"10.66.0.{self.names.index(name) + 1}"

    def side(self, name):
        return "west" if self.names.index(name) % 2 == 0 else "east"

    def build(self):
        for namespace in [self.hub, *map(self.namespace, self.names)]:
            sh("ip", "netns", "add", namespace)
            self.made.append(namespace)
            sh("ip", "-n", namespace, "link", "set", "lo", "up")
        for side in ["west", "east"]:
            sh("ip", "-n", self.hub, "link", "add", side, "type", "bridge")
            sh("ip", "-n", self.hub, "link", "set", side, "up")
        sh("ip", "-n", self.hub, "link", "add", "to-east", "type", "veth", "peer", "name", "to-west")
        for wire, side in [("to-east", "west"), ("to-west", "east")]:
            sh("ip", "-n", self.hub, "link", "set", wire, "master", side, "up")
        for n, name in enumerate(self.names):
            own, port = self.namespace(name), f"port{n}"
            sh("ip", "-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", own)
            sh("ip", "-n", self.hub, "link", "set", port, "master", self.side(name), "up")
            sh("ip", "-n", own, "addr", "add", f"{self.address(name)}/24", "dev", "eth0")
            sh("ip", "-n", own, "link", "set", "eth0", "up")
            if sh("tc", "-n", own, "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "tbf", *RATE, quiet=True):
                self.shaped = "50 Mbit/s at each node"
                under = ["parent", "1:1", "handle", "10:"]
            else:
                under = ["root"]
            if sh("tc", "-n", own, "qdisc", "add", "dev", "eth0", *under, "netem", *DELAY, quiet=True):
                self.delayed = "20 ± 5 ms at each node"

    def cut(self):
        sh("ip", "-n", self.hub, "link", "set", "to-east", "down")

    def heal(self):
        sh("ip", "-n", self.hub, "link", "set", "to-east", "up")

    def end(self):
        for namespace in reversed(self.made):
            sh("ip", "netns", "del", namespace, quiet=True)


class Town:
    """The nodes, each in its namespace."""

    def __init__(self, folder, network):
        self.folder, self.network, self.children, self.inside = folder, network, {}, {}

    def verb(self, *args, within=None):
        into = ["ip", "netns", "exec", self.network.namespace(within)] if within else []
        done = subprocess.run([*into, LAPWING, *args, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"lapwing {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def of(self, name, *args):
        return self.verb("--data", self.folder / name, *args, within=name)

    def init(self, name, *more):
        self.verb(
            "--data", self.folder / name, "init", "--short-name", name, "--legal-name", name, "--country", "GB",
            "--category", "consumer_protection", "--keys-out", self.folder / f"{name}-keys",
            "--insecure-no-passphrase", *more,
        )

    def found(self, names):
        for name in names:
            self.init(name, "--founder")
        inceptions = ", ".join(f'"{name}-keys/{name}.inception"' for name in names)
        charter = self.folder / "charter.toml"
        charter.write_text(f'name = "Test"\nfounders = [{inceptions}]\n[params]\nwindow = "1s"\ngrace = "1s"\n')
        self.verb("charter", "new", charter, "-o", self.folder / "unsigned")
        signed = [self.folder / f"{name}.sig" for name in names]
        for name, out in zip(names, signed):
            root = self.folder / f"{name}-keys" / "root-1.key"
            self.verb("charter", "sign", self.folder / "unsigned", "--root-key", root, "--yes", "-o", out)
        self.verb("charter", "join", self.folder / "unsigned", *signed, "-o", self.folder / "charter.lapwing")
        for name in names:
            self.verb("--data", self.folder / name, "charter", "install", self.folder / "charter.lapwing")

    def start(self, name, bootstrap):
        namespace = self.network.namespace(name)
        log = open(self.folder / f"{name}.log", "ab")
        args = ["ip", "netns", "exec", namespace, LAPWING, "--data", self.folder / name, "run", "--insecure-no-passphrase"]
        args += ["--api-listen", f"127.0.0.1:{API_PORT}", "--listen", f"{self.network.address(name)}:{PORT}"]
        for other in bootstrap:
            args += ["--bootstrap", f"{self.network.address(other)}:{PORT}"]
        # `ip netns exec` becomes the program: the child is the node itself
        self.children[name] = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        self.inside[name] = Inside(namespace)
        until(f"{name} answers", lambda: self.ask(name, "GET", "/status"))

    def ask(self, name, method, path, body=None):
        secret = (self.folder / name / "run" / "api.token").read_text().strip()

        def job():
            connection = http.client.HTTPConnection("127.0.0.1", API_PORT, timeout=20)
            try:
                headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
                connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status >= 300:
                    raise RuntimeError(f"{name}: {method} {path}: {answer.status} {text.decode(errors='replace')}")
                return json.loads(text)
            finally:
                connection.close()

        return self.inside[name].do(job)

    def digests(self):
        views = [self.ask(name, "GET", "/status") for name in self.children]
        # one that is suspended reads nothing of the agencies' plane
        agencies = {view["heads_agency"] for view in views if view["heads_agency"]}
        return {(view["state"], view["heads"], heads) for view in views for heads in agencies}

    def apart(self):
        """Who holds what, for whoever reads a failure."""
        lines = []
        for name in self.children:
            view = self.ask(name, "GET", "/status")
            digests = " ".join(str(view[part])[:6] for part in ["state", "heads", "heads_agency"])
            lines.append(f"{name} {digests} connected {view['connected']} signing {view['signing']} {view['entries']}")
        return "\n".join(lines)

    def level(self, what, patience=60):
        begun = time.monotonic()
        until(what, lambda: len(self.digests()) == 1, patience)
        return time.monotonic() - begun

    def standing(self, at, of):
        return self.ask(at, "GET", f"/members/{of}")["standing"]

    def end(self):
        for child in self.children.values():
            child.send_signal(signal.SIGKILL)
        for child in self.children.values():
            child.wait()


def contact(slot):
    return {
        "slot": slot, "role": "case_intake", "name": "Intake", "areas": [], "channels": [], "languages": ["en"],
        "hours": [], "time_zone": "Europe/London", "ways": [{"kind": "email", "value": "x@agency.example"}],
        "deputy": None, "reconfirm_by": 4102444800000, "withdrawn": False,
    }


def refer(town, by, to, reference):
    """A referral, submitted; its thread."""
    known = {"band": 2, "basis": "counted_complaints"}
    form = {
        "pro_forma_version": 1, "kind": "request_enforcement", "subject_line": "Mails from hosting.example",
        "requester_ref": reference, "language": "en", "created_at": "2026-11-01", "poc_ref": "intake",
        "legal_authority": {"law": "Spam Act"}, "tlp": "amber+strict", "retention_until": "2028-01-31",
        "channel": "email", "conduct": ["deceptive_offer"], "narrative": "Forty complaints within a week.",
        "parties": [{"role": "suspected_sender", "identifiers": [{"kind": "ip", "value": "192.0.2.7"}]}],
        "harm": [{"factor": "victims", **known}, {"factor": "gravity", **known}],
        "assistance": [{"kind": "identify", "description": "Who rents 192.0.2.7?", "needed_by": "2027-12-31"}],
        "declarations": {"accuracy": True, "authority": True, "confidentiality": True},
    }
    thread = town.ask(by, "POST", "/referrals/drafts", {})["thread"]
    town.ask(by, "POST", f"/referrals/{thread}/submit", {"to": to, "form": form})
    return thread


def introduced(town, by, name):
    applied = [row["short_name"] for row in town.ask(by, "GET", "/applications")["items"]]
    return name in applied and town.of(by, "application", "introduce", name)


def received(town, by, to, thread):
    """Whether the case stands once at its target, and its submission is receipted at its requester."""
    sent = [s for s in town.ask(by, "GET", f"/referrals/{thread}")["timeline"] if s["kind"] == "submit"]
    rows = [r for r in town.ask(to, "GET", "/referrals?limit=500")["items"] if r["thread"] == thread]
    if len(rows) > 1 or len(sent) != 1:
        sys.exit(f"{thread}: {len(rows)} at {to}, {len(sent)} said by {by}")
    there = [s for s in town.ask(to, "GET", f"/referrals/{thread}")["timeline"] if s["kind"] == "submit"] if rows else []
    if len(there) > 1:
        sys.exit(f"{thread}: said {len(there)} times at {to}")
    return len(there) == 1 and sent[0]["delivery"] == "stored"


def said(what, seconds=None):
    print(f"{what}: {seconds:.1f} s" if seconds is not None else what, flush=True)


def hold(town, network, founders, joined):
    names = founders + joined
    everyone = lambda what: until(what, lambda: all(town.ask(n, "GET", "/status")["signing"] == "ok" for n in town.children))
    begun = time.monotonic()
    town.found(founders)
    for n, name in enumerate(founders):
        town.start(name, founders[:1] if n else [])
    everyone("the founders may sign")
    for n, name in enumerate(joined):
        town.init(name, "--charter", town.folder / "charter.lapwing")
        town.start(name, [founders[n % 2]])
    # an applicant knows those two that it was told of
    for n, name in enumerate(joined):
        until(f"{name} is introduced", lambda: introduced(town, founders[n % 2], name))
    for name in joined:
        until(f"{name} takes part", lambda: town.standing(founders[0], name) == "participant")
    everyone("all may sign")
    said(f"{len(founders)} founders and {len(joined)} admitted, all in full standing", time.monotonic() - begun)
    for name in names:
        town.ask(name, "POST", "/contacts", contact("intake"))
    said("sixteen points of contact, and equal digests everywhere", town.level("equal digests before the cut"))
    sealable = lambda at: all(town.ask(at, "GET", f"/members/{of}")["sealable"] for of in names if of != at)
    until("all can be sealed to", lambda: all(sealable(at) for at in names))
    west = [n for n in names if network.side(n) == "west"]
    east = [n for n in names if network.side(n) == "east"]
    pairs = [(west[n], east[n]) if n % 2 else (east[n], west[n]) for n in range(8)]
    begun = time.monotonic()
    flown = [(by, to, refer(town, by, to, f"A-{n}")) for n, (by, to) in enumerate(pairs)]
    until("the referrals before the cut", lambda: all(received(town, *one) for one in flown))
    said("eight referrals across, receipted", time.monotonic() - begun)

    # -- the cut
    network.cut()
    cut = time.monotonic()
    waiting = [(by, to, refer(town, by, to, f"B-{n}")) for n, (by, to) in enumerate(pairs)]
    here = [(side[n], side[n + 1], refer(town, side[n], side[n + 1], f"C-{n}")) for side in (west, east) for n in (0, 2)]
    for n, name in enumerate(names):
        town.ask(name, "POST", "/contacts", contact(f"cut{n}"))
    # each side objects to somebody: the west to one of the east that joined, and the other way round
    objections = []
    for objector, side in [(next(n for n in founders if n in west), east), (next(n for n in founders if n in east), west)]:
        target = next(n for n in joined if n in side)
        key = town.folder / f"{objector}-keys" / "officer-1.key"
        begun = time.monotonic()
        vote = town.of(objector, "vote", "object", target, "--officer-key", key, "--yes")
        if not vote["objection"]["veto_secured"]:
            sys.exit(f"the objection of {objector} is not secured: {vote}")
        said(f"cut: the objection of {objector} is secured by its own side after", time.monotonic() - begun)
        objections.append((objector, target))
    until("the referrals within each side", lambda: all(received(town, *one) for one in here))
    for by, to, thread in waiting:
        if received(town, by, to, thread):
            sys.exit(f"{thread} crossed the cut")
    if len(town.digests()) < 2:
        sys.exit("both sides agree although they are cut off from each other")
    time.sleep(max(0, CUT_SECONDS - (time.monotonic() - cut)))
    said(f"cut for {time.monotonic() - cut:.0f} s: sixteen contacts, two objections, four referrals within and eight across")

    # -- healed
    network.heal()
    healed = time.monotonic()
    until("equal digests after healing", lambda: len(town.digests()) == 1, 90)
    level = time.monotonic() - healed
    said("healed: equal digests at all sixteen after", level)
    # a suspended one takes no referrals: those go on when the objection is withdrawn
    out = {target for _, target in objections}
    for _, target in objections:
        if {town.standing(at, target) for at in names} != {"suspended"}:
            sys.exit(f"{target} is not suspended everywhere")
    free = [one for one in waiting if not out & set(one[:2])]
    until("what waited is receipted", lambda: all(received(town, *one) for one in free), 90)
    said(f"healed: {len(free)} referrals that waited are receipted, each once, after", time.monotonic() - healed)
    held = [one for one in waiting if one not in free]
    if any(received(town, *one) for one in held):
        sys.exit("a referral went to one that is suspended, or came from it")
    for objector, target in objections:
        key = town.folder / f"{objector}-keys" / "officer-1.key"
        town.of(objector, "vote", "withdraw", target, "--officer-key", key, "--yes")
    until("they take part again", lambda: all(town.standing(at, t) == "participant" for _, t in objections for at in names))
    # what was held goes on at its next attempt, which may be a minute or two away
    begun = time.monotonic()
    while time.monotonic() - begun < 10 and not all(received(town, *one) for one in held):
        time.sleep(0.2)
    there = sum(received(town, *one) for one in held)
    said(f"objections withdrawn: of {len(held)} referrals that were held, {there} receipted after", time.monotonic() - begun)
    said("and equal digests", town.level("equal digests at the end"))
    for name in names:
        if "panicked" in (town.folder / f"{name}.log").read_text(errors="replace"):
            sys.exit(f"{name} panicked")
    if level > HEALED_WITHIN:
        sys.exit(f"{level:.1f} s after healing, where {HEALED_WITHIN} are allowed")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    founders = [f"founder{n}" for n in range(FOUNDERS)]
    joined = [f"joined{n}" for n in range(JOINED)]
    network = Network(founders + joined)
    with tempfile.TemporaryDirectory(prefix="lapwing-network-") as folder:
        town = Town(pathlib.Path(folder), network)
        try:
            network.build()
            said(f"sixteen namespaces; {network.shaped}; {network.delayed}")
            hold(town, network, founders, joined)
        except RuntimeError as error:
            print(town.apart())
            sys.exit(str(error))
        finally:
            town.end()
            network.end()


main()
