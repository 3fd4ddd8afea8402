#!/usr/bin/env python3
"""Reads the test vectors beside this file as another implementation would.

Written from docs/protocol.md and docs/lapwing.cddl, with the field's own libraries and nothing of ours: the CDDL file is
parsed and *used*, so a rule there that does not describe the bytes fails here. What CDDL cannot say is attached to its
rules below (`@rule("header")`). Usage:

    python -m pip install -r tests/vectors/requirements.txt
    python tests/vectors/read.py            # ends with "N passed, M failed"
"""

import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import re
import sys
import unicodedata
from functools import lru_cache
from pathlib import Path

import cbor2
from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = Path(__file__).resolve().parent
KIB = 1024


class Refused(Exception):
    """Bytes that are not what they are said to be, with the reason."""


def need(holds, reason):
    if not holds:
        raise Refused(reason)


# -- CBOR (protocol §1) ------------------------------------------------------------------------------------------------


class Map(list):
    """The pairs of a map, in order: only protected headers and the empty map beside them are maps."""


def decode(data, limit=None):
    """The one value of `data` in its one encoding. Our own reader: libraries take more than RFC 8949 §4.2.1."""
    need(limit is None or len(data) <= limit, f"{len(data)} bytes, {limit} at most")
    value, end = item(data, 0, 16)
    need(end == len(data), f"{len(data) - end} bytes behind the end")
    plain = unmapped(value)
    need(same(cbor2.loads(data), plain) and cbor2.dumps(plain, canonical=True) == data, "cbor2 reads something else")
    return value


def item(data, at, depth):
    need(at < len(data), "cut short")
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        need(low in (20, 21, 22), "a float, undefined or another simple value")
        return {20: False, 21: True, 22: None}[low], at
    need(low < 28, "indefinite or reserved length")
    number, size = low, 0
    if low >= 24:
        size = 1 << (low - 24)
        need(at + size <= len(data), "cut short")
        number = int.from_bytes(data[at : at + size], "big")
        need(number >= (24 if size == 1 else 1 << (4 * size)), "a number or length in more bytes than it needs")
        at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        need(at + number <= len(data), "cut short")
        raw = data[at : at + number]
        if major == 2:
            return raw, at + number
        try:
            return raw.decode("utf-8"), at + number
        except UnicodeDecodeError:
            raise Refused("text that is not UTF-8") from None
    need(major != 6, "a tag")
    need(depth > 0, "nested too deep")
    out = Map() if major == 5 else []
    for _ in range(number):
        value, at = item(data, at, depth - 1)
        if major == 5:
            need(type(value) is int, "a map with another key than a number")
            right, at = item(data, at, depth - 1)
            value = (value, right)
        out.append(value)
    return out, at


def unmapped(value):
    if isinstance(value, Map):
        return {k: unmapped(v) for k, v in value}
    return [unmapped(v) for v in value] if isinstance(value, list) else value


def same(a, b):
    """Equality that tells 1 from True."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b


def encode(value):
    """The one encoding of a value, or of what `Cddl.read` made of one."""
    return cbor2.dumps(unmapped(value.value if isinstance(value, Record) else value), canonical=True)


# -- CDDL (RFC 8610), as much of it as docs/lapwing.cddl uses ----------------------------------------------------------


class Record(dict):
    """An array with named members; `value` is the array itself."""

    def __init__(self, members, value):
        super().__init__(members)
        self.value = value

    __getattr__ = dict.__getitem__


class Code(int):
    """A number with its name."""

    def __new__(cls, number, name):
        self = super().__new__(cls, number)
        self.name = name
        return self


class Inside:
    """A byte string that holds an encoded value."""

    def __init__(self, raw, value):
        self.raw, self.value = raw, value


RULES = {}


def rule(name):
    """Attaches to a CDDL rule what CDDL cannot say."""

    def attach(check):
        RULES[name] = check
        return check

    return attach


class Cddl:
    def __init__(self, text):
        text = re.sub(r";[^\n]*", "", text)
        token = r'"[^"]*"|\.\.|\.[a-z]+|-?\d+|[A-Za-z_@$][A-Za-z0-9_@$.-]*|[=/\[\]{}()&:,*+?]'
        self.tokens, self.at, self.rules = re.findall(token, text), 0, {}
        need(re.sub(token, "", text).strip() == "", "CDDL: characters that are no token")
        while self.at < len(self.tokens):
            name = self.take()
            need(self.take() == "=" and name not in self.rules, f"CDDL: {name}")
            self.rules[name] = self.alternatives()
        for name, kind in self.rules.items():
            self.known(name, kind)

    def known(self, name, kind):
        """Every name that is used is defined."""
        if isinstance(kind, tuple):
            if kind[0] == "name":
                need(kind[1] in self.rules or kind[1] in BASIC, f"CDDL: {name} uses {kind[1]}, which is not defined")
            else:
                for part in kind[1:]:
                    self.known(name, part)
        elif isinstance(kind, list):
            for part in kind:
                self.known(name, part)

    def look(self, ahead=0):
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ""

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def alternatives(self):
        kinds = [self.kind()]
        while self.look() == "/":
            self.take()
            kinds.append(self.kind())
        return kinds[0] if len(kinds) == 1 else ("either", kinds)

    def kind(self):
        token = self.take()
        if token in "[{":
            return ("array" if token == "[" else "map", self.members("]" if token == "[" else "}"))
        if token == "&":
            need(self.take() == "(", "CDDL: & without (")
            return ("codes", {m[2][1]: m[1].strip('"') for m in self.members(")")})
        if re.fullmatch(r"-?\d+", token):
            if self.look() == "..":
                self.take()
                return ("range", (int(token), int(self.take())))
            return ("literal", int(token))
        if token.startswith('"'):
            return ("literal", token[1:-1])
        kind = ("name", token)
        if self.look() == ".size":
            self.take()
            low = self.take()
            if low == "(":
                low = self.take()
                need(self.take() == "..", "CDDL: .size (a..b)")
                kind = ("size", kind, (int(low), int(self.take())))
                need(self.take() == ")", "CDDL: .size (a..b)")
            else:
                kind = ("size", kind, (int(low), int(low)))
        if self.look() == ".cbor":
            self.take()
            kind = ("cbor", self.kind())
        return kind

    def members(self, end):
        """[(how many, key, type)]"""
        out = []
        while self.look() != end:
            low, high = 1, 1
            if self.look() == "*" or self.look().isdigit() and self.look(1) == "*":
                low = 0 if self.look() == "*" else int(self.take())
                self.take()
                high = int(self.take()) if self.look().isdigit() and self.look(1) not in (":", "..") else None
            key = None
            if self.look(1) == ":":
                key = self.take()
                self.take()
            out.append(((low, high), key, self.alternatives()))
            if self.look() == ",":
                self.take()
        self.take()
        return out

    def read(self, name, data, limit=None):
        """Bytes as the rule `name`."""
        return self.match(("name", name), decode(data, limit), name)

    def match(self, kind, value, path):
        what, rest = kind[0], kind[1]
        if what == "name":
            if rest in BASIC:
                need(BASIC[rest](value), f"{path}: not {rest}")
                return value
            out = self.match(self.rules[rest], value, path if path == rest else f"{path} ({rest})")
            if rest in RULES:
                RULES[rest](out)
            return out
        if what == "either":
            reasons = []
            for option in rest:
                try:
                    return self.match(option, value, path)
                except Refused as why:
                    reasons.append(str(why))
            raise Refused(max(reasons, key=len))
        if what == "literal":
            need(type(value) is type(rest) and value == rest, f"{path}: not {rest!r}")
            return value
        if what == "range":
            need(type(value) is int and rest[0] <= value <= rest[1], f"{path}: not in {rest[0]}..{rest[1]}")
            return value
        if what == "codes":
            need(type(value) is int and value in rest, f"{path}: no such code")
            return Code(value, rest[value])
        if what == "size":
            self.match(rest, value, path)
            low, high = kind[2]
            fits = value < 1 << 8 * high if isinstance(value, int) else low <= len(value) <= high
            need(fits, f"{path}: not of size {low}..{high}")
            return value
        if what == "cbor":
            need(type(value) is bytes, f"{path}: not bytes")
            return Inside(value, self.match(rest, decode(value), path))
        if what == "map":
            need(isinstance(value, Map) and len(value) == len(rest), f"{path}: another map")
            for (key, found), (_, expected, inner) in zip(value, rest):
                need(key == int(expected), f"{path}: key {key}")
                self.match(inner, found, f"{path}.{key}")
            return value
        return self.group(rest, value, path)

    def group(self, members, value, path):
        need(type(value) is list, f"{path}: not an array")
        if len(members) == 1 and members[0][0] != (1, 1):
            (low, high), _, kind = members[0]
            need(low <= len(value) and (high is None or len(value) <= high), f"{path}: {len(value)} items")
            return [self.match(kind, v, f"{path}.{i}") for i, v in enumerate(value)]
        need(len(value) == len(members), f"{path}: {len(value)} fields, {len(members)} expected")
        out = [self.match(m[2], v, f"{path}.{m[1] or i}") for i, (m, v) in enumerate(zip(members, value))]
        named = all(m[1] for m in members)
        return Record(zip((m[1] for m in members), out), value) if named else out


BASIC = {
    "uint": lambda v: type(v) is int and 0 <= v < 1 << 64,
    "nint": lambda v: type(v) is int and -(1 << 64) <= v < 0,
    "int": lambda v: type(v) is int,
    "bytes": lambda v: type(v) is bytes,
    "text": lambda v: type(v) is str,
    "bool": lambda v: type(v) is bool,
    "null": lambda v: v is None,
}


# -- hashes and ids (protocol §1) --------------------------------------------------------------------------------------


def derive(context, data, length=32):
    return blake3(data, derive_key_context=context).digest(length)


def base32(raw):
    return base64.b32encode(raw).decode().lower().rstrip("=")


def unbase32(text):
    need(len(text) == 52 and re.fullmatch("[a-z2-7]*", text), "52 characters of a-z, 2-7")
    raw = base64.b32decode(text.upper() + "====")
    need(len(raw) == 32 and base32(raw) == text, "unused bits are set")
    return raw


WORDS = (HERE / "bip39-english.txt").read_text().split()


def words(raw):
    bits = int.from_bytes(raw[:16], "big") << 4 | hashlib.sha256(raw[:16]).digest()[0] >> 4
    return " ".join(WORDS[bits >> 11 * i & 2047] for i in reversed(range(12)))


def key_id(raw):
    return derive("lapwing/1 key", raw)


# -- Ed25519, strictly (protocol §1) -----------------------------------------------------------------------------------
# The library checks the equation; that S is below the order, that A and R are canonical and not of small order, is
# checked here.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point(raw):
    """x and y of a canonical encoding."""
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    need(y < P, "a point that is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(x * x % P == square, "no point of the curve")
    need(x or not sign, "a point that is not canonical")
    return (P - x if x & 1 != sign else x), y


def double(p):
    x, y = p
    x2, y2 = x * x % P, y * y % P
    return 2 * x * y * pow(y2 - x2, P - 2, P) % P, (y2 + x2) * pow(2 - y2 + x2, P - 2, P) % P


@lru_cache(maxsize=None)
def usable(raw):
    """Refuses what is no canonical point, and the points of small order."""
    need(double(double(double(point(raw)))) != (0, 1), "a point of small order")


@rule("public-key")
def check_key(raw):
    usable(raw)


def verify(public, message, signature):
    usable(public)
    usable(signature[:32])
    need(int.from_bytes(signature[32:], "little") < ORDER, "S is not below the order of the group")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise Refused("the signature does not hold") from None


def protected(kid):
    return bytes.fromhex("a2012704") + b"\x58\x20" + kid


def to_be_signed(network, context, kid, payload):
    aad = encode(["lapwing", 1, network, context])
    structure = encode(["Signature1", protected(kid), aad, payload])
    CDDL.read("sig-structure", structure)
    return structure


def kid_of(sign1):
    return sign1.protected.raw[6:]


@rule("sign1")
def check_sign1(sign1):
    need(sign1.protected.raw == protected(kid_of(sign1)), "another protected header")


def opened(sign1, public, network, context):
    """The payload, if `public` signed it for this network and use."""
    need(kid_of(sign1) == key_id(public), "signed by another key")
    verify(public, to_be_signed(network, context, kid_of(sign1), sign1.payload), sign1.signature)
    return sign1.payload


def check_detached(detached, public, network, context, payload):
    need(detached.kid == key_id(public), "signed by another key")
    verify(public, to_be_signed(network, context, detached.kid, payload), detached.signature)


def ascending(items, what):
    need(all(a < b for a, b in zip(items, items[1:])), f"{what} do not ascend")


# -- entries (protocol §2) ---------------------------------------------------------------------------------------------

BODIES = {
    1: ("inception", 16), 2: ("root-rotate", 16), 3: ("key-grant", 16), 4: ("leave", 16), 16: ("profile", 16),
    17: ("contact", 4), 18: ("node-binding", 16), 19: ("kem-key", 16), 20: ("application", 64), 21: ("stances", 16),
    22: ("excuse", 16), 23: ("motion", 64), 24: ("checkpoint", 16), 25: ("fork-proof", 4), 26: ("legal-profile", 16),
    27: ("arrangement", 16), 28: ("outcome-record", 16), 64: ("contact", 4), 65: ("objection-reason", 16), 66: ("outcome-record", 16),
}  # fmt: skip


@rule("header")
def check_header(h):
    need(len(encode(h)) <= KIB, "a header longer than 1 KiB")
    ascending(h.refs, "references")
    need((h.seq == 0) == (h.prev is None), "the first entry, and only it, has no predecessor")
    need(h.body_len <= BODIES.get(h.kind, (0, 64))[1] * KIB, "a body longer than its type allows")
    if h.kind < 128:
        need(h.log == (0 if h.kind < 16 else 1 if h.kind < 64 else 2), "a type of another log")


@rule("entry")
def check_entry(e):
    header = header_of(e)
    need(all(s.payload == e.signatures[0].payload for s in e.signatures), "signatures over different headers")
    ascending([kid_of(s) for s in e.signatures], "the signers' kids")
    need(header.log == 0 or len(e.signatures) == 1, "several signatures outside log 0")
    if e.body is not None:
        fits = len(e.body) == header.body_len and derive("lapwing/1 body", e.body) == header.body_hash
        need(fits, "not the body that the header binds")


def header_of(entry):
    return CDDL.read("header", entry.signatures[0].payload, KIB)


def entry_id(entry):
    return derive("lapwing/1 entry", entry.signatures[0].payload)


def check_signers(entry, keys, threshold, network):
    by_kid = {key_id(k): k for k in keys}
    for sign1 in entry.signatures:
        need(kid_of(sign1) in by_kid, "signed by a key that may not")
        opened(sign1, by_kid[kid_of(sign1)], network, "entry")
    need(len(entry.signatures) >= max(threshold, 1), "fewer signatures than the threshold")


def check_body(entry, author, network):
    """The body as its type, with the approvals inside; `author` holds the keys of the entry's epoch."""
    header = header_of(entry)
    if entry.body is None or header.kind not in BODIES:
        return
    name, limit = BODIES[header.kind]
    body = CDDL.read(name, entry.body, limit * KIB)
    if name == "stances":
        for stance in body["items"]:
            if stance.n is not None:
                # an act of officers has the number of its word
                approval = [header.pid, header.epoch, stance.n, stance.what, encode(stance.target), None]
                check_approvals(approval, stance.approvals, author, network)
    elif name == "motion":
        bare = encode(body.value[:5] + [[]])
        approval = [header.pid, header.epoch, body.n, 6, body.base, derive("lapwing/1 body", bare)]
        check_approvals(approval, body.approvals, author, network)
    elif name == "application":
        check_application(body, network)
    elif name == "fork-proof":
        check_fork_proof(body, author, network)


# -- log 0 (protocol §3) -----------------------------------------------------------------------------------------------


def check_text(text, low, high, what):
    need(low <= len(text) <= high, f"{what}: {low} to {high} characters")
    hidden = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u061c]")
    need(not any(c != "\n" and unicodedata.category(c) == "Cc" for c in text), f"{what}: a control character")
    need(not hidden.search(text), f"{what}: a character that hides or turns what stands around it")


def is_name(text):
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])", text) is not None


def check_set(kids, threshold, what):
    need(1 <= len(kids) <= 5 and len(set(kids)) == len(kids), f"{what}: one to five different keys")
    need(1 <= threshold <= len(kids), f"{what}: a threshold that is none")


@rule("epoch-keys")
def check_epoch(keys):
    publics = [o.key for o in keys.officers] + [keys.feed]
    need(len(set(publics)) == len(publics), "every officer's key, and the feed key, differ")
    acts = [r.act for r in keys.policy]
    need(len(set(acts)) == len(acts), "one rule an act")
    need(all(1 <= r.m <= max(len(keys.officers), 1) for r in keys.policy), "so many officers there are not")


@rule("inception")
def check_inception(i):
    need(i["class"] == (0 if i.category < 16 else 1 if i.category < 48 else 2), "a category of another class")
    need(is_name(i.short_name), "short name")
    need(re.fullmatch("[A-Z]{2}", i.country), "country")
    check_text(i.legal_name, 1, 200, "legal name")
    check_text(i.authority_basis, 0, 1000, "authority basis")
    check_set([key_id(k) for k in i.roots], i.threshold, "roots")
    check_set(i.next, i.next_threshold, "next roots")
    need(len(encode(i)) <= 16 * KIB, "an inception longer than 16 KiB")


@rule("root-rotate")
def check_rotate(r):
    check_set(r.next, r.next_threshold, "next roots")


@rule("key-grant")
def check_grant(g):
    logs = [a.log for a in g.anchors]
    need(0 not in logs, "an anchor in log 0")
    ascending(logs, "anchors")


class Identity:
    """Who a participant is after one branch of its log 0."""

    def __init__(self, roots, threshold, next, next_threshold, epochs):
        self.roots, self.threshold, self.next, self.next_threshold = roots, threshold, next, next_threshold
        self.epochs = epochs

    def after(self, entry, network):
        """The identity after `entry`, and what the entry was; refused where it may not stand."""
        kind = header_of(entry).kind
        need(entry.body is not None and kind in (2, 3, 4), "no type of log 0 that continues it")
        body = CDDL.read(BODIES[kind][0], entry.body, 16 * KIB)
        if kind == 2:
            need(sorted(key_id(k) for k in body.revealed) == sorted(self.next), "not the keys that were committed to")
            check_signers(entry, body.revealed, self.next_threshold, network)
            return Identity(body.revealed, self.next_threshold, body.next, body.next_threshold, self.epochs)
        check_signers(entry, self.roots, self.threshold, network)
        epochs = self.epochs
        if kind == 3:
            need(body.epoch == len(epochs), "not the next epoch")
            epochs = epochs + [body["keys"]]
        return Identity(self.roots, self.threshold, self.next, self.next_threshold, epochs)


def fold(pid, entries, network):
    """The identity that a set of log-0 entries gives, in any order: (identity, head, left, trouble)."""
    at = {}
    for entry in entries:
        header = header_of(entry)
        if header.pid == pid and header.log == 0 and header.epoch == 0:
            at.setdefault(header.seq, {})[entry_id(entry)] = entry
    after, beginnings = {}, []
    for eid, entry in sorted(at.get(0, {}).items()):
        try:
            need(header_of(entry).kind == 1 and entry.body is not None, "no inception")
            inception = CDDL.read("inception", entry.body, 16 * KIB)
            need(derive("lapwing/1 inception", entry.body) == pid, "another's inception")
            check_signers(entry, inception.roots, inception.threshold, network)
        except Refused:
            continue
        # however often the inception was signed: one body, one place
        identity = Identity(
            inception.roots, inception.threshold, inception.next, inception.next_threshold, [inception.first]
        )
        after[eid] = identity
        beginnings.append(eid)
    need(beginnings, "no inception")
    left = None
    for seq in sorted(at)[1:]:
        for eid, entry in sorted(at[seq].items()):
            header = header_of(entry)
            # after the inception, whichever copy is named: its words are the same
            before = after[beginnings[0]] if seq == 1 else after.get(header.prev)
            if before is None or (seq > 1 and header.prev not in at.get(seq - 1, {})):
                continue
            try:
                after[eid] = before.after(entry, network)
            except Refused:
                continue
            if header.kind == 4 and left is None:
                left = eid  # on whatever branch
    head, tips, trouble = (0, beginnings[0]), set(beginnings), None
    while trouble is None:
        seq = head[0] + 1
        here = [e for e in sorted(at.get(seq, {})) if e in after and (seq == 1 or header_of(at[seq][e]).prev in tips)]
        turns = [e for e in here if header_of(at[seq][e]).kind == 2]
        if len(turns) > 1:
            trouble = {"disputed": {"seq": seq}}
        elif not turns and len(here) > 1:
            trouble = {"contested": {"seq": seq}}
        elif not here:
            break
        else:
            head = (seq, (turns or here)[0])
            tips = {head[1]}
    return after[head[1]], head, left, trouble


# -- the charter (protocol §2) -----------------------------------------------------------------------------------------

DAY = 24 * 60 * 60 * 1000


@rule("params")
def check_params(p):
    need(1 <= p.window_ms <= 365 * DAY and p.grace_ms <= 365 * DAY, "window or grace")
    need(sum(p.harm_weights) == 100, "weights that do not sum up to 100")


def founders_of(charter):
    return [(derive("lapwing/1 inception", f.raw), f.value) for f in charter.founders]


@rule("charter")
def check_charter(c):
    check_text(c.name, 1, 200, "name")
    founders = founders_of(c)
    ascending([pid for pid, _ in founders], "founders")
    need(len({f.short_name for _, f in founders}) == len(founders), "two founders of one short name")
    for _, founder in founders:
        need(founder["class"] == 0, "only agencies found a federation")
        need(founder.plan_text_hash == c.plan_text_hash, "a founder endorses another text")


@rule("charter-file")
def check_charter_file(f):
    payload = encode(f.charter)
    network = derive("lapwing/1 charter", payload)
    ascending([s.kid for s in f.signatures], "signatures")
    founders, left = founders_of(f.charter), {s.kid: s for s in f.signatures}
    need(len(f.first_entries) == len(founders), "one first entry a founder")
    for (pid, founder), first in zip(founders, f.first_entries):
        signed = [k for k in founder.roots if key_id(k) in left]
        for root in signed:
            check_detached(left.pop(key_id(root)), root, network, "charter", payload)
        need(len(signed) >= founder.threshold, "a founder has not signed")
        check_first(first, pid, founder, network)
    need(not left, "signed by somebody who is no founder")


def check_first(first, pid, founder, network):
    header = header_of(first)
    fits = (header.pid, header.seq, header.epoch, header.kind) == (pid, 0, 0, 1) and first.body == encode(founder)
    need(fits, "not the founder's first entry")
    check_signers(first, founder.roots, founder.threshold, network)


# -- membership and directory (protocol §4) ----------------------------------------------------------------------------

def check_approvals(approval, signatures, keys, network):
    """Whether enough officers of `keys` signed `approval`."""
    approval = CDDL.match(("name", "approval"), approval, "approval")
    officers = {key_id(o.key): o.key for o in keys.officers}
    for signature in signatures:
        need(signature.kid in officers, "no officer of this epoch, or one twice")
        check_detached(signature, officers.pop(signature.kid), network, "approve", encode(approval))
    needed = next((r.m for r in keys.policy if r.act == approval.act), 1)
    need(len(signatures) >= needed, f"{len(signatures)} of {needed} officers")


def check_application(a, network):
    need(a.id_log, "no log 0")
    pid = header_of(a.id_log[0]).pid
    identity, head, _, _ = fold(pid, a.id_log, network)
    ids = {entry_id(e) for e in a.id_log}
    need(all(header_of(e).prev is None or header_of(e).prev in ids for e in a.id_log), "what it follows is left out")
    need(len(a.id_log) == head[0] + 1, "entries that are not valid where they stand")
    inception = CDDL.read("inception", a.id_log[0].body)
    roots, expected = {key_id(k): k for k in identity.roots}, None
    expected = [pid, network, inception.plan_text_hash, int(inception["class"]), int(inception.category)]
    for sign1 in a.endorsement:
        need(kid_of(sign1) in roots, "endorsed by a key that is no root, or twice by one")
        payload = opened(sign1, roots.pop(kid_of(sign1)), network, "apply")
        need(CDDL.read("endorsement", payload, KIB).value == expected, "an endorsement of something else")
    need(len(a.endorsement) >= identity.threshold, "too few root keys endorsed")


@rule("application")
def check_application_size(a):
    need(len(encode([e.value for e in a.id_log])) <= 16 * KIB, "a log 0 longer than 16 KiB")
    need(len(a.statement.encode()) <= 32 * KIB, "a statement longer than 32 KiB")


def check_fork_proof(proof, keys, network):
    headers = [CDDL.read("header", s.payload, KIB) for s in (proof.a, proof.b)]
    places = [(h.pid, h.log, h.epoch, h.seq) for h in headers]
    need(places[0] == places[1] and places[0][1] != 0, "not one place of log 1 or 2")
    ascending([derive("lapwing/1 entry", s.payload) for s in (proof.a, proof.b)], "ids")
    for sign1 in (proof.a, proof.b):
        opened(sign1, keys.feed, network, "entry")


@rule("excuse")
def check_excuse(e):
    ascending(e.silent, "the excused")


@rule("kem-key")
def check_kem_key(k):
    need(k.kid == key_id(k.key), "not the key that its id names")


@rule("hours")
def check_hours(h):
    ascending(h.days, "weekdays")
    need(h.from_min < h.to_min, "from is not before to")


def check_languages(tags):
    for tag in tags:
        ok = len(tag) <= 35 and re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", tag)
        need(ok, f"{tag}: no language tag")


def check_zone(name):
    need(re.fullmatch(r"[A-Za-z0-9/_+-]{1,64}", name), "no time zone")


@rule("profile")
def check_profile(p):
    check_text(p.display_name, 1, 200, "name")
    check_text(p.website if p.website is not None else "x", 1, 300, "website")
    check_languages(p.languages)
    check_zone(p.time_zone)


@rule("contact")
def check_contact(c):
    need(is_name(c.slot) and (c.deputy is None or is_name(c.deputy)), "slot or deputy")
    check_text(c.name, 1, 200, "name")
    check_languages(c.languages)
    check_zone(c.time_zone)
    need(c.ways or c.withdrawn, "no way to reach it")
    for way in c.ways:
        check_text(way.kind, 1, 32, "kind of way")
        check_text(way["value"], 1, 300, "way")


@rule("node-binding")
def check_binding(b):
    for address in b.addrs:
        check_text(address, 1, 300, "address")


def check_day(text):
    need(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) and is_date(text), f"{text} is no day")


@rule("law")
def check_law(law):
    check_text(law.name, 1, 200, "law")
    check_text(law.article if law.article is not None else "x", 1, 100, "article")
    check_text(law.url if law.url is not None else "x", 1, 300, "url")
    for name in ("channels", "conduct", "powers", "facts_needed"):
        ascending(law[name], name)
    for text in law.evidence_formats:
        check_text(text, 1, 100, "form of evidence")


@rule("legal-profile")
def check_legal(p):
    check_text(p.note or "", 0, 2000, "note")
    check_day(p.as_of)


@rule("arrangement")
def check_arrangement(a):
    need(is_name(a.code) and a.code != "lap-best-efforts", "code")
    check_text(a.title, 1, 200, "title")
    ascending(a.parties, "parties")
    need(len(a.parties) + len(a.others) >= 2, "one party alone")
    for other in a.others:
        check_text(other, 1, 200, "party")
    ascending(a.areas, "areas")
    check_day(a.signed_on)
    if a.valid_until is not None:
        check_day(a.valid_until)
        need(a.valid_until >= a.signed_on, "ends before it began")
    check_text(a.url if a.url is not None else "x", 1, 300, "url")


@rule("outcome-record")
def check_outcome(o):
    need(is_name(o.slot), "slot")
    check_text(o.title, 1, 200, "title")
    check_day(o.on)
    ascending(o.conduct, "conduct")
    for money in (o.sanction, o.redress):
        need(money is None or re.fullmatch(r"[A-Z]{3}", money.currency), "currency")
    ascending(o["with"], "agencies")
    need(all(re.fullmatch(r"[A-Z]{2}", c) for c in o.countries), "country")
    ascending(o.countries, "countries")
    check_text(o.summary or "", 0, 4000, "summary")
    check_text(o.url if o.url is not None else "x", 1, 300, "url")


# -- referrals (protocol §6) -------------------------------------------------------------------------------------------

STATEMENT_BODIES = {
    "submit": "form", "acknowledge": "acknowledge", "need_info": "text-body", "supplement": "supplement",
    "decide": "decide", "withdraw": "ending", "close": "ending", "blob_grant": "blob-grant",
    "blob_request": "blob-request", "progress": "progress", "extend": "extend", "delay_reasons": "text-body",
    "result_interim": "outcomes", "result_final": "outcomes", "transfer_proposed": "transfer-proposed",
    "transfer_consent": "transfer-consent", "transferred": "transferred", "reminder": "reminder", "recall": "recall",
    "recall_answer": "recall-answer", "feedback": "feedback", "reopen": "reopen", "dispute": "dispute",
    "compelled_disclosure_notice": "compelled-disclosure", "assess": "assessment", "seen": "seen",
    "consent_request": "consent-request", "consent": "consent", "joint_plan": "joint-plan", "joint_task": "joint-task",
}  # fmt: skip
MAX_PLAIN = 256 * KIB - 4


@rule("stmt")
def check_stmt(s):
    need((s.msg_no == 0) == (s.prev_own is None), "the first message, and only it, has no predecessor")
    for blob in s.blobs:
        check_text(blob.name, 1, 255, "name of evidence")
        check_text(blob.media, 1, 127, "media type")


def open_stmt(data, keys, network):
    signed = CDDL.read("signed-stmt", data, MAX_PLAIN)
    stmt = CDDL.read("stmt", signed.sign1.payload, MAX_PLAIN)
    need(stmt.network_id == network, "a statement of another federation")
    opened(signed.sign1, keys.feed, network, "msg")
    act = {"acknowledge": 7, "decide": 8}.get(stmt.kind.name)
    need((signed.approvals is not None) == (act is not None), "approvals where none belong, or none where they do")
    if act:
        hashed = derive("lapwing/1 body", stmt.body)
        approval = [stmt["from"], stmt.epoch, stmt.msg_no, act, stmt.thread, hashed]
        check_approvals(approval, signed.approvals, keys, network)
    return stmt


@rule("decide")
def check_decide(d):
    ascending([i.item for i in d["items"]], "items")
    for one in d["items"]:
        need((one.decision == 3) == (one.ground is not None), "a refusal, and only a refusal, has a ground")
        need((one.decision == 4) == (one.until is not None), "a deferral, and only a deferral, has a date")
        need(one.decision not in (1, 2) or one.note is not None, "which part, which conditions?")
        check_text(one.note or "", 0, 4000, "note")
        later = {f.no: f for f in one.more} if "more" in one else {}
        for no, ground, owed in ((1, 0, False), (2, 14, True), (3, 11, True)):
            need(no not in later or one.ground == ground, "what belongs to another ground")
            need(not owed or one.ground != ground or no in later, "what the ground needs")
        if 2 in later:
            check_text(later[2]["duplicate_of"], 0, 100, "duplicate_of")


def check_items(items):
    ascending(items, "items")
    need(all(i < 64 for i in items), "an assistance item has a number from 0 to 63")


def check_maybe(text, most, what):
    need(text is None or len(text) >= 1, f"{what} is empty")
    check_text(text or "", 0, most, what)


@rule("outcomes")
def check_outcomes(r):
    check_items(r["items"])
    complaints = more(r).get("complaints")
    need(r["items"] or complaints, "on which items?")
    ascending([c.complaint for c in complaints or []], "complaints")
    for one in complaints or []:
        need((one.outcome == 1) == (one.merged_with is not None), "merged, and with what")
        check_maybe(one.merged_with, 100, "merged_with")
        check_maybe(one.note, 500, "note")
    check_text(r.measure, 1, 500, "measure")
    check_text(r.text, 1, 32 * KIB, "text")
    check_maybe(r.limits.words, 2000, "limits")


@rule("transfer-proposed")
def check_proposed(t):
    check_items(t["items"])
    check_text(t.why, 1, 32 * KIB, "why")


@rule("recall")
def check_recall(r):
    need(r.reason != 3 or r.note is not None, "for what other reason?")
    check_maybe(r.note, 4000, "note")


@rule("recall-answer")
def check_recall_answer(r):
    need((r.attested == 1) == (r.law is not None), "content retained, and only that, names its law")


@rule("reopen")
def check_reopen(r):
    check_items(r["items"])
    check_text(r.reason, 1, 32 * KIB, "reason")


@rule("dispute")
def check_dispute(d):
    need((d.about == 1) == (d["item"] is not None), "a disputed decision, and only that, names its item")


@rule("assessment")
def check_assessment(a):
    ascending([f.factor for f in a.harm], "factors")


@rule("scope")
def check_scope(s):
    ascending([bytes(p) for p in s.onward], "participants")
    need(len(s.onward) <= 32, "more than 32 participants")


def covers(scope):
    return bool(scope.onward or scope.domestic or scope.dissemination is not None or scope.judicial_use)


@rule("consent-request")
def check_consent_request(c):
    need(covers(c.scope), "it asks for nothing")


@rule("consent")
def check_consent(c):
    need(c.granted == covers(c.scope), "a yes, and only a yes, says what it covers")
    need(c.granted or c.until is None, "a no has no end")


@rule("joint-plan")
def check_joint_plan(p):
    need(p.version >= 1, "the first version is 1")
    check_text(p.title, 1, 160, "title")
    need(len(p.tasks) <= 32, "more than 32 tasks")
    ascending([t.n for t in p.tasks], "tasks")
    for task in p.tasks:
        check_text(task.what, 1, 1000, "task")
        need(task.needed_by is None or is_date(task.needed_by), "needed_by")
    need(len(p.disclosed) <= 32, "more than 32 agencies")
    ascending([bytes(pid) for pid in p.disclosed], "agencies")
    check_maybe(p.note, 4000, "note")


@rule("joint-task")
def check_joint_task(t):
    check_maybe(t.note, 4000, "note")


@rule("supplement")
def check_supplement(s):
    if "more" in s:
        ascending([f.no for f in s.more], "later fields")
        fixed = {f.no for one in s.more if one.no == 1 for f in one["form"]} & {1, 2, 7, 11}
        need(not fixed, "a field that stays as it was submitted")


# -- sealing: HPKE base mode (RFC 9180), X25519 and X-Wing -------------------------------------------------------------


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(prk, info, length):
    out, block = b"", b""
    while len(out) < length:
        block = hmac256(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def labeled_extract(suite, salt, label, ikm):
    return hmac256(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def raw_public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def exchange(secret, public):
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Refused("an encapsulated key that is none") from None


class DhKem:
    """DHKEM(X25519, HKDF-SHA256)"""

    number, suite, enc_len = 0x0020, b"KEM\x00\x20", 32

    def derive(self, ikm):
        prk = labeled_extract(self.suite, b"", b"dkp_prk", ikm)
        secret = labeled_expand(self.suite, prk, b"sk", b"", 32)
        return secret, raw_public(X25519PrivateKey.from_private_bytes(secret))

    def shared(self, dh, enc, public):
        prk = labeled_extract(self.suite, b"", b"eae_prk", dh)
        return labeled_expand(self.suite, prk, b"shared_secret", enc + public, 32)

    def decap(self, secret, public, enc):
        return self.shared(exchange(secret, enc), enc, public)

    def encap(self, public, ikm):
        secret, enc = self.derive(ikm)
        return self.shared(exchange(secret, public), enc, public), enc


class XWing:
    """ML-KEM-768 and X25519 (draft-connolly-cfrg-xwing-kem, as draft-ietf-hpke-pq takes it into HPKE)"""

    number, suite, enc_len = 0x647A, b"KEM\x64\x7a", 1120

    def parts(self, seed):
        long = hashlib.shake_256(seed).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(long[:64]), X25519PrivateKey.from_private_bytes(long[64:])

    def public(self, seed):
        lattice, curve = self.parts(seed)
        return lattice.public_key().public_bytes_raw() + raw_public(curve)

    def derive(self, ikm):
        label = b"DeriveKeyPair"
        data = ikm + b"HPKE-v1" + self.suite + len(label).to_bytes(2, "big") + label + (32).to_bytes(2, "big")
        seed = hashlib.shake_256(data).digest(32)
        return seed, self.public(seed)

    def decap(self, seed, public, enc):
        lattice, curve = self.parts(seed)
        mine = lattice.decapsulate(enc[:1088])
        theirs = exchange(curve.private_bytes_raw(), enc[1088:])
        return hashlib.sha3_256(mine + theirs + enc[1088:] + public[1184:] + b"\\.//^\\").digest()


def schedule(kem, shared, info):
    """Key and base nonce of HKDF-SHA256 and ChaCha20-Poly1305 in base mode."""
    suite = b"HPKE" + kem.number.to_bytes(2, "big") + b"\x00\x01\x00\x03"
    psk = labeled_extract(suite, b"", b"psk_id_hash", b"")
    context = b"\x00" + psk + labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    parts = [labeled_expand(suite, secret, label, context, n) for label, n in ((b"key", 32), (b"base_nonce", 12))]
    return parts[0], parts[1], secret


SUITES = {1: XWing(), 2: DhKem()}
INFO = b"lapwing/1 seal"
PADDED = [KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB]


def aead_open(cipher, nonce, data, aad):
    need(len(data) >= 16, "shorter than its tag")
    try:
        return cipher.decrypt(nonce, data, aad)
    except InvalidTag:
        raise Refused("it does not open") from None


def pad(plain):
    size = next(s for s in PADDED if s >= len(plain) + 4)
    return (len(plain).to_bytes(4, "big") + plain).ljust(size, b"\0")


def unpad(padded):
    need(len(padded) in PADDED, "padded to no class of length")
    size = int.from_bytes(padded[:4], "big")
    need(size <= len(padded) - 4 and not any(padded[4 + size :]), "padded wrongly")
    return padded[4 : 4 + size]


def open_sealed(data, seed):
    sealed = CDDL.read("sealed", data, 260 * KIB)
    kem = SUITES[sealed.suite]
    need(len(sealed.enc) == kem.enc_len, "an encapsulated key of another suite")
    secret, public = kem.derive(seed)
    aad = encode(sealed.value[:4])
    CDDL.read("seal-aad", aad)
    key, nonce, _ = schedule(kem, kem.decap(secret, public, sealed.enc), INFO)
    return sealed, public, unpad(aead_open(ChaCha20Poly1305(key), nonce, sealed.ct, aad))


def test_random(number, length):
    """The generator of our tests."""
    return derive("lapwing test rng", number.to_bytes(8, "little"), length)


# -- evidence and locked bytes -----------------------------------------------------------------------------------------

SEGMENT = 64 * KIB


def segment_nonce(index, last):
    return bytes(7) + index.to_bytes(4, "big") + bytes([last])


def rotate(v, n):
    return (v << n | v >> 32 - n) & 0xFFFFFFFF


def hchacha20(key, nonce):
    words = lambda b: [int.from_bytes(b[i : i + 4], "little") for i in range(0, len(b), 4)]  # noqa: E731
    s = words(b"expand 32-byte k") + words(key) + words(nonce)
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                s[x] = (s[x] + s[y]) & 0xFFFFFFFF
                s[z] = rotate(s[z] ^ s[x], n)
    return b"".join(v.to_bytes(4, "little") for v in s[:4] + s[12:])


def unlock(key, place, data):
    need(len(data) >= 24, "shorter than a nonce")
    cipher = ChaCha20Poly1305(hchacha20(key, data[:16]))
    return aead_open(cipher, bytes(4) + data[16:24], data[24:], place)


# -- the pro forma -----------------------------------------------------------------------------------------------------

TOPS = [5, 5, 5, 5, 3, 4]


@rule("form")
def check_form(form):
    ascending([f.no for f in form], "fields")


@rule("harm-facts")
def check_facts(facts):
    ascending([f.no for f in facts], "facts")


def check_more(record):
    if "more" in record:
        ascending([f.no for f in record.more], "later fields")


for grown in ("identifier", "party", "harm-factor", "assistance", "urgency", "evidence-item", "declarations",
              "item-decision"):
    rule(grown)(check_more)


def fields_of(form):
    """Known fields by name."""
    return {name: value for f in form for name, value in f.items() if name not in ("no", "unknown")}


def more(record):
    """The later fields of a record that has grown."""
    return fields_of(record.get("more", []))


def as_json(value):
    """A value as the API shows it: codes as tokens, digests as base32."""
    if isinstance(value, Record):
        return {k: as_json(v) for k, v in (value | more(value)).items() if k != "more"}
    if isinstance(value, Code):
        return value.name
    if isinstance(value, bytes):
        return base32(value)
    if isinstance(value, list) and value and all(isinstance(v, Record) and "no" in v for v in value):
        return {k: as_json(v) for k, v in fields_of(value).items()}
    return [as_json(v) for v in value] if isinstance(value, list) else value


def span(text):
    """First and last second of a day in UTC, or a moment twice; none if it is no date."""
    match = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T([0-9]{2}):([0-9]{2}):([0-9]{2})([.][0-9]+)?(Z|[+-]([0-9]{2}):([0-9]{2})))?", text
    )
    if not match or not is_day(match[1]):
        return None
    year, month, day = map(int, match[1].split("-"))
    # Python's calendar begins with the year 1: four centuries later the days fall the same
    midnight = (datetime.date(year + 400, month, day).toordinal() - 719163 - 146097) * 86400
    if not match[2]:
        return midnight, midnight + 86399
    hours, minutes, seconds = int(match[3]), int(match[4]), int(match[5])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    moment = midnight + hours * 3600 + minutes * 60 + seconds
    if match[7] != "Z":
        if int(match[8]) > 23 or int(match[9]) > 59:
            return None
        moment -= (1 if match[7][0] == "+" else -1) * (int(match[8]) * 3600 + int(match[9]) * 60)
    return moment, moment


def is_date(text):
    return span(text) is not None


def in_order(*texts):
    """Dates, none of which lies wholly before the one in front of it; what is not stated is passed over."""
    stated = [text for text in texts if text is not None]
    need(all(is_date(text) for text in stated), "no date")
    for one, next_one in zip(stated, stated[1:]):
        need(span(next_one)[1] >= span(one)[0], "dates out of order")


def is_day(text):
    year, month, day = map(int, text.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


REQUESTS = ("request_information", "request_enforcement", "request_evidence_preservation", "joint_action_proposal",
            "private_assistance_request")  # fmt: skip


def check_complete(form):
    """What must stand in a form that is submitted (protocol §6.2)."""
    f = fields_of(form)
    for name in ("pro_forma_version", "kind", "subject_line", "requester_ref", "language", "created_at", "poc_ref",
                 "legal_authority", "tlp", "retention_until", "channel", "conduct", "narrative",
                 "declarations"):  # fmt: skip
        need(name in f, f"{name} is required")
    need(f["pro_forma_version"] == 1, "a form of another version")
    authority = f["legal_authority"]
    texts = {"law": (authority.law, 300), "article": (authority.article, 100), "url": (authority.url, 500)}
    most = {"subject_line": 160, "requester_ref": 100, "campaign_ref": 100, "case_officer": 100,
            "permitted_purpose": 500, "narrative": 4000, "law_breached": 500, "similar_target_law": 500}  # fmt: skip
    texts.update({name: (f.get(name), length) for name, length in most.items()})
    for name, (text, length) in texts.items():
        if text is not None:
            check_text(text, 1, length, name)
    lists = {"related": (50, 100), "handling_codes": (4, 300), "agencies_contacted": (50, 300),
             "do_not_contact": (50, 300), "proceedings_elsewhere": (20, 500)}  # fmt: skip
    for name, (count, length) in lists.items():
        check_texts(f.get(name, []), count, length, name)
    for name in ("related", "message_languages", "agencies_contacted", "do_not_contact"):
        need(len(set(f.get(name, []))) == len(f.get(name, [])), f"{name}: each once")
    arrangement, codes = f.get("arrangement", []), f.get("handling_codes", [])
    need(len(arrangement) <= 16 and all(re.fullmatch("[A-Za-z0-9_.-]{2,60}", c) for c in arrangement), "arrangement")
    ascending(arrangement, "arrangement")
    need(all(re.fullmatch(r"(?s)H[0-2]|H3:.*\S.*", code) for code in codes), "H0, H1, H2 or H3: and a condition")
    need(len([c for c in codes if c.startswith("H3")]) <= 1, "one condition")
    ascending(codes, "handling codes")
    need(len(f.get("message_languages", [])) <= 32, "at most 32 languages")
    check_languages([f["language"]] + f.get("message_languages", []))
    need(is_name(f["poc_ref"]), "poc_ref")
    created = f["created_at"]
    in_order(created, f["retention_until"])
    if "period" in f:
        in_order(f["period"]["from"], f["period"].to)
        in_order(f["period"]["from"], created)
    need(1 <= len(f["conduct"]) <= 17, "1 to 17 codes of conduct")
    ascending(f["conduct"], "codes of conduct")
    need("volume" in f or "volume_basis" not in f, "a basis without a volume")
    request = f["kind"].name in REQUESTS
    need(f.get("harm") or not request, "a request states harm")
    ascending([h.factor for h in f.get("harm", [])], "factors of harm")
    for h in f.get("harm", []):
        check_factor(h, created, len(f.get("evidence", [])))
    need(int(request) <= len(f.get("assistance", [])) <= 64, "1 to 64 items of assistance")
    for one in f.get("assistance", []):
        check_text(one.description, 1, 2000, "description")
        check_texts(one.questions, 50, 500, "questions")
        in_order(created, one.needed_by)
        formality, form_of_it = more(one).get("formality"), more(one).get("format")
        need((form_of_it is not None) == (formality == 1), "admissible, and in which form")
        if form_of_it is not None:
            check_text(form_of_it, 1, 300, "format")
    if "urgency" in f:
        check_urgency(f["urgency"])
    need(len(f.get("parties", [])) <= 200, "at most 200 parties")
    for party in f.get("parties", []):
        check_party(party, f["tlp"])
    check_evidence(f.get("evidence", []), created)
    contacted = f.get("other_agencies_contacted", "none")
    need(contacted in ("none", "withheld", "listed"), "none, withheld or listed")
    need(bool(f.get("agencies_contacted")) == (contacted == "listed"), "listed, and which")
    complaints = f.get("complaints", [])
    need("complaints" not in f or complaints and f["kind"].name == "complaint_batch", "complaints of a batch")
    need(len({c.reference for c in complaints}) == len(complaints), "complaints: each once")
    for one in complaints:
        check_text(one.reference, 1, 60, "reference of a complaint")
        in_order(one.received, created)
        check_identifier(one.sender)
        ascending(one.conduct, "codes of conduct")
        need(re.fullmatch("[A-Z]{2}", one.country), "country of a complaint")
        if "loss" in more(one):
            check_loss(more(one)["loss"], created)
        need(more(one).get("evidence", -1) < len(f.get("evidence", [])), "the manifest has no such item")
    declared = f["declarations"]
    need(declared.accuracy and declared.authority and declared.confidentiality, "everything must be declared")
    if "second_approver" in more(declared):
        check_text(more(declared)["second_approver"], 1, 200, "second approver")


def check_urgency(urgency):
    if urgency.level.name == "time_critical" or urgency.reasons is not None:
        check_text(urgency.reasons or "", 1, 1000, "reasons")
    runs_out, date = urgency.perishability, more(urgency).get("date")
    need(date is None or is_date(date), "urgency: no date")
    if runs_out is None or runs_out.name == "none":
        need(date is None, "a date of nothing")
    elif runs_out.name in ("log_expiry", "court_date"):
        need(date is not None, "on which day?")


FACTS = [{"persons"}, {"total_loss", "median_loss", "victims_country", "income_table"}, {"injuries"}, {"gravest"},
         {"groups"}, {"state"}]  # fmt: skip


def check_loss(loss, created):
    need(re.fullmatch("[A-Z]{3}", loss.currency), "currency")
    need([loss.usd_cents is None, loss.rate_date is None] == 2 * [loss.currency == "USD"], "worth in dollars")
    in_order(loss.rate_date, created)


def check_factor(h, created, items):
    facts, shown = more(h).get("facts"), more(h).get("evidence", [])
    need((h.band is not None) + (facts is not None) == (h.basis.name != "unknown"), "a band or facts, on a basis")
    need(h.band is None or h.band <= TOPS[h.factor], "a band above its top")
    ascending(shown, "evidence of harm")
    need(all(item < items for item in shown), "the manifest has no such item")
    if facts is None:
        return
    facts = fields_of(facts)
    need(facts and set(facts) <= FACTS[h.factor], "facts of another factor, or none")
    for loss in (facts.get("total_loss"), facts.get("median_loss")):
        if loss:
            check_loss(loss, created)
    against = {"median_loss", "victims_country", "income_table"} & set(facts)
    need(len(against) in (0, 3), "a median loss, its country and its table")
    need(re.fullmatch("[A-Z]{2}", facts.get("victims_country", "XX")), "country of the victims")
    need(facts.get("income_table", 1) == 1, "table 1")
    for name in ("injuries", "groups"):
        ascending(facts.get(name, []), name)


def check_evidence(items, created):
    need(len(items) <= 256, "at most 256 items of evidence")
    marks = [more(one)["id"] for one in items if "id" in more(one)]
    need(len(set(marks)) == len(marks), "marks of evidence: each once")
    for n, one in enumerate(items):
        m = more(one)
        check_text(one.name, 1, 255, "name of evidence")
        check_text(one.media_type, 1, 127, "media type")
        if one.description is not None:
            check_text(one.description, 1, 1000, "description of evidence")
        if "id" in m:
            check_text(m["id"], 1, 60, "mark of evidence")
        in_order(m.get("collected_at"), created)
        need(len(m.get("custody", [])) <= 50, "at most 50 steps of custody")
        in_order(*[step.at for step in m.get("custody", [])])
        for step in m.get("custody", []):
            check_text(step.by, 1, 200, "custody: by whom")
            if step.note is not None:
                check_text(step.note, 1, 500, "custody: note")
        if "redaction_of" in m:
            others = [other.sha256 for k, other in enumerate(items) if k != n]
            need(m["redaction_of"] in others and not one.original, "a redacted copy of another item")


def check_texts(texts, count, length, what):
    need(len(texts) <= count, f"{what}: at most {count}")
    for text in texts:
        check_text(text, 1, length, what)


def check_party(party, tlp):
    need(party.names or party.identifiers, "a party without name or identifier")
    check_texts(party.names, 20, 300, "names")
    need(len(party.identifiers) <= 500, "at most 500 identifiers")
    need(party.country is None or re.fullmatch("[A-Z]{2}", party.country), "country of a party")
    need(party.information_accuracy is None or 1 <= party.information_accuracy <= 4, "accuracy is 1 to 4")
    m = more(party)
    where = m.get("locations", [])
    need(len(where) <= 20 and all(re.fullmatch("[A-Z]{2}", one.country) for one in where), "locations")
    ascending([(one.role, one.country) for one in where], "locations")
    need("tlp" not in m or m["tlp"] > tlp, "a party's own marking is only stricter")
    for one in party.identifiers:
        check_identifier(one)


def check_identifier(one):
    port, time = more(one).get("port"), more(one).get("time")
    need(port is None or one.kind.name == "ip" and 1 <= port <= 65535, "port")
    need(time is None or is_date(time), "time of an identifier")
    need(1 <= len(one["value"].encode()) <= 2048 and "\n" not in one["value"], "identifier")
    check_text(one["value"], 1, 2048, "identifier")
    need(FORMS.get(one.kind.name, bool)(one["value"]), f"no {one.kind.name}: {one['value']}")


def is_ip(text):
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_domain(text):
    return len(text) <= 253 and "." in text and all(re.fullmatch("[a-z0-9_-]{1,63}", p) for p in text.split("."))


FORMS = {
    "ip": is_ip,
    "domain": is_domain,
    "dkim_domain": is_domain,
    "email": lambda t: re.fullmatch("(?s).+@[^@]+", t),
    "url": lambda t: re.fullmatch("(?s)[A-Za-z0-9+.-]+:.+", t),
    "asn": lambda t: re.fullmatch("(AS)?[0-9]{1,10}", t) and int(t.lstrip("AS")) < 1 << 32,
    "phone": lambda t: re.fullmatch("[+][0-9]{7,15}", t),
    "sha256": lambda t: re.fullmatch("[0-9A-Fa-f]{64}", t),
}


INCOME = {}
for line in (HERE / "../../crates/record/data/income.csv").read_text().splitlines():
    if not line.startswith("#"):
        country, dollars, _ = line.split(",")
        INCOME[country] = int(dollars)


def cents(loss):
    return None if loss is None else loss.amount if loss.currency == "USD" else loss.usd_cents


def bands(h):
    """The lowest and the highest band that one stated factor allows, before its basis."""
    top = TOPS[h.factor]
    if h.band is not None:
        return h.band, h.band
    if "facts" not in more(h):
        return 0, top
    facts = fields_of(more(h)["facts"])
    if h.factor.name == "financial":
        total, median = cents(facts.get("total_loss")), cents(facts.get("median_loss"))
        income = INCOME.get(facts.get("victims_country")) if facts.get("income_table") == 1 else None
        terms = []
        if total is not None:
            terms.append(sum(total >= 10**k for k in (5, 6, 7, 8, 9)))
        if median is not None and income is not None:
            # cents a month: income × 100 ÷ 12
            terms.append(sum(median * 12 * 100 >= percent * income * 100 for percent in (5, 25, 100, 300, 600)))
        low = max(terms, default=0)
        return low, low if len(terms) == 2 else top
    name, band_of = {
        "victims": ("persons", lambda n: sum(n >= 10**k for k in range(5))),
        "non_financial": ("injuries", lambda kinds: len(set(kinds))),
        "gravity": ("gravest", int),
        "vulnerability": ("groups", lambda groups: min(len(set(groups)), top)),
        "exposure": ("state", int),
    }[h.factor.name]
    return 2 * (band_of(facts[name]),) if name in facts else (0, top)


def harm(form, weights):
    stated = {h.factor: h for h in fields_of(form).get("harm", [])}
    low = high = 0
    for factor, (weight, top) in enumerate(zip(weights, TOPS)):
        one = stated.get(factor)
        known = one is not None and (one.band is not None or "facts" in more(one))
        less = int(known and one.basis.name == "sampled_extrapolated")
        at_least, at_most = (min(max(band - less, 0), top) for band in (bands(one) if known else (0, top)))
        low, high = low + weight * at_least // top, high + weight * at_most // top
    return {"low": low, "high": high}


# -- the vectors that must be taken ------------------------------------------------------------------------------------

CDDL = Cddl((HERE / "../../docs/lapwing.cddl").read_text())
READ = {}


def reads(name):
    def attach(function):
        READ[name] = function
        return function

    return attach


def raw(vector, name):
    return bytes.fromhex(vector[name])


def keys_of(vector, name="keys"):
    return CDDL.read("epoch-keys", raw(vector, name))


@reads("ids.json")
def read_id(v):
    found = derive(v["context"], raw(v, "bytes"))
    need(base32(found) == v["id"] and unbase32(v["id"]) == found and words(found) == v["words"], "another id")


@reads("signatures.json")
def read_signature(v):
    secret = Ed25519PrivateKey.from_private_bytes(raw(v, "seed"))
    public, network, payload = raw(v, "public"), raw(v, "network"), raw(v, "payload")
    need(raw_public(secret) == public and base32(key_id(public)) == v["kid"], "another key")
    sign1 = CDDL.read("sign1", raw(v, "sign1"))
    need(opened(sign1, public, network, v["context"]) == payload, "another payload")
    detached = CDDL.read("detached", raw(v, "detached"))
    check_detached(detached, public, network, v["context"], payload)
    # Ed25519 is deterministic: we sign the same
    again = secret.sign(to_be_signed(network, v["context"], key_id(public), payload))
    need(again == sign1.signature == detached.signature, "another signature")


@reads("entries.json")
def read_entry(v):
    entry = CDDL.read("entry", raw(v, "bytes"))
    need(base32(entry_id(entry)) == v["id"], "another id")
    check_signers(entry, [bytes.fromhex(k) for k in v["signers"]], v["threshold"], raw(v, "network"))
    check_body(entry, keys_of(v, "author"), raw(v, "network"))


@reads("idlogs.json")
def read_idlog(v):
    entries = [CDDL.read("entry", bytes.fromhex(e)) for e in v["entries"]]
    for turned in (entries, entries[::-1], entries[1:] + entries[:1]):
        identity, head, left, trouble = fold(unbase32(v["pid"]), turned, raw(v, "network"))
        found = {
            "epochs": [encode(e).hex() for e in identity.epochs],
            "roots": [base32(key_id(k)) for k in identity.roots],
            "threshold": identity.threshold,
            "next": [base32(k) for k in identity.next],
            "next_threshold": identity.next_threshold,
            "head": {"seq": head[0], "id": base32(head[1])},
            "left": base32(left) if left else None,
            "trouble": trouble,
        }
        wrong = [name for name in found if found[name] != v["expect"][name]]
        need(not wrong, f"another identity: {wrong}")


@reads("charters.json")
def read_charter(v):
    file = CDDL.read("charter-file", raw(v, "bytes"), 4 * KIB * KIB)
    network = derive("lapwing/1 charter", raw(v, "charter"))
    need(encode(file.charter) == raw(v, "charter") and base32(network) == v["network_id"], "another charter")
    need(words(network) == v["words"], "other words")
    need([base32(pid) for pid, _ in founders_of(file.charter)] == v["founders"], "other founders")
    need(base32(derive("lapwing/1 body", encode(file.charter.params))) == v["params_digest"], "other params")
    for part in v["parts"]:
        part = CDDL.read("founder-signature", bytes.fromhex(part))
        pid = header_of(part.first_entry).pid
        founder = dict(founders_of(file.charter))[pid]
        check_first(part.first_entry, pid, founder, network)
        for root, signature in zip(founder.roots, part.signatures, strict=True):
            check_detached(signature, root, network, "charter", raw(v, "charter"))


@reads("approvals.json")
def read_approval(v):
    approval = CDDL.read("approval", raw(v, "bytes"))
    need(base32(derive("lapwing/1 proposal", raw(v, "bytes"))) == v["digest"], "another digest")
    signatures = [CDDL.match(("name", "detached"), s, "signatures") for s in decode(raw(v, "signatures"))]
    check_approvals(approval.value, signatures, keys_of(v), raw(v, "network"))


@reads("applications.json")
def read_application(v):
    application = CDDL.read("application", raw(v, "bytes"), 64 * KIB)
    check_application(application, raw(v, "network"))
    need(base32(header_of(application.id_log[0]).pid) == v["pid"], "another applicant")


@reads("statements.json")
def read_statement(v):
    stmt = open_stmt(raw(v, "bytes"), keys_of(v), raw(v, "network"))
    need(stmt.kind.name == v["name"], "another kind")
    need(base32(derive("lapwing/1 msg", encode(stmt))) == v["msg_id"], "another id")
    need(base32(derive("lapwing/1 body", raw(v, "bytes"))) == v["hash"], "another hash")
    body = CDDL.read(STATEMENT_BODIES[stmt.kind.name], stmt.body, MAX_PLAIN)
    if stmt.kind.name == "submit":
        check_complete(body)


@reads("receipts.json")
def read_receipt(v):
    sign1 = CDDL.read("sign1", raw(v, "bytes"))
    payload = opened(sign1, keys_of(v).feed, raw(v, "network"), v["context"])
    said = CDDL.read(v["payload"], payload, KIB)
    if v["payload"] == "receipt":
        stmt = CDDL.read("stmt", CDDL.read("signed-stmt", raw(v, "of")).sign1.payload)
        need(said.msg_id == derive("lapwing/1 msg", encode(stmt)), "a receipt for another statement")
        need(said.hash == derive("lapwing/1 body", raw(v, "of")), "a receipt for other bytes")
        need(said.by == stmt.to, "a receipt by another than the recipient")


@reads("sealed.json")
def read_sealed(v):
    sealed, public, plain = open_sealed(raw(v, "bytes"), raw(v, "seed"))
    need(sealed.suite.name == v["suite"] and public == raw(v, "public") and plain == raw(v, "plain"), "another content")
    need(sealed.kid == key_id(public) and base32(sealed.kid) == v["kid"], "another key")
    if sealed.suite == 2:  # as sender, with the same randomness
        kem = SUITES[2]
        shared, enc = kem.encap(public, test_random(v["rng"], 32))
        key, nonce, _ = schedule(kem, shared, INFO)
        ct = ChaCha20Poly1305(key).encrypt(nonce, pad(plain), encode(sealed.value[:4]))
        need((enc, ct) == (sealed.enc, sealed.ct), "sealing gives other bytes")


@reads("blobs.json")
def read_blob(v):
    plain = bytes(i % 251 for i in range(v["len"]))
    sha = hashlib.sha256(plain).digest()
    need(base32(sha) == v["sha256_plain"] and base32(blake3(plain).digest()) == v["b3_plain"], "another plaintext")
    key = derive("lapwing/1 blob key", raw(v, "case_key") + raw(v, "salt") + sha)
    need(key == raw(v, "key"), "another key")
    pieces = [plain[i : i + SEGMENT] for i in range(0, len(plain), SEGMENT)] or [b""]
    seal = lambda i, p: AESGCM(key).encrypt(segment_nonce(i, i + 1 == len(pieces)), p, b"")  # noqa: E731
    cipher = b"".join(seal(i, p) for i, p in enumerate(pieces))
    need(len(cipher) == v["sealed_len"] and cipher[:64] == raw(v, "first_bytes"), "another ciphertext")
    need(base32(blake3(cipher).digest()) == v["b3_cipher"], "another ciphertext")


@reads("locked.json")
def read_locked(v):
    need(unlock(raw(v, "key"), raw(v, "place"), raw(v, "bytes")) == raw(v, "plain"), "another content")


@reads("forms.json")
def read_form(v):
    form = CDDL.read("form", raw(v, "bytes"), 128 * KIB)
    shown = {name: value for name, value in v["json"].items() if value is not None}
    need({n: as_json(x) for n, x in fields_of(form).items()} == shown, "other fields")
    need(harm(form, [25, 25, 15, 15, 10, 10]) == v["harm"], "another score")
    try:
        check_complete(form)
        complete = True
    except Refused:
        complete = False
    need(complete == v["complete"], "complete, or not?")


@reads("messages.json")
def read_message(v):
    message = CDDL.read(v["rule"], raw(v, "bytes"))
    if v["rule"] == "hello":
        fold(message.pid, message.id_log, message.network_id)


# -- the vectors that must be refused ----------------------------------------------------------------------------------

LIMITS = {"header": KIB, "form": 128 * KIB, "hello": 72 * KIB, "inception": 16 * KIB, "contact": 4 * KIB,
          "stances": 16 * KIB}  # fmt: skip


def read_refused(v):
    how, data = v["how"], raw(v, "bytes")
    network = raw(v, "network") if "network" in v else None
    if how == "id":
        unbase32(v["text"])
    elif how == "public-key":
        check_key(data)
    elif how == "sign1-form":
        CDDL.read("sign1", data)
    elif how == "sign1":
        opened(CDDL.read("sign1", data), raw(v, "public"), network, v["context"])
    elif how == "entry":
        check_signers(CDDL.read("entry", data), [bytes.fromhex(k) for k in v["signers"]], v["threshold"], network)
    elif how == "approval":
        signatures = [CDDL.match(("name", "detached"), s, "signatures") for s in decode(raw(v, "signatures"))]
        check_approvals(decode(data), signatures, keys_of(v), network)
    elif how == "application":
        check_application(CDDL.read("application", data, 64 * KIB), network)
    elif how == "signed-stmt":
        open_stmt(data, keys_of(v), network)
    elif how == "receipt":
        CDDL.read("receipt", opened(CDDL.read("sign1", data), keys_of(v).feed, network, "receipt"))
    elif how == "sealed":
        open_sealed(data, raw(v, "seed"))
    elif how == "segment":
        aead_open(AESGCM(raw(v, "key")), segment_nonce(v["index"], v["last"]), data, b"")
    elif how == "locked":
        unlock(raw(v, "key"), raw(v, "place"), data)
    elif how == "fork-proof":
        check_fork_proof(CDDL.read("fork-proof", data, 4 * KIB), keys_of(v), network)
    elif how == "form-complete":
        check_complete(CDDL.read("form", data, 128 * KIB))
    else:
        CDDL.read(how, data, LIMITS.get(how, 1536 * KIB))


# -- what others published ---------------------------------------------------------------------------------------------


def published(vectors):
    """(name, check) of each."""
    v = {name: bytes.fromhex(value) for name, value in vectors["rfc9180_a2"].items() if name != "source"}

    def rfc9180():
        kem = DhKem()
        need(kem.derive(v["ikmE"]) == (v["skEm"], v["enc"]), "another ephemeral key")
        need(kem.derive(v["ikmR"]) == (v["skRm"], v["pkRm"]), "another recipient's key")
        need(kem.encap(v["pkRm"], v["ikmE"]) == (v["shared_secret"], v["enc"]), "encapsulation")
        need(kem.decap(v["skRm"], v["pkRm"], v["enc"]) == v["shared_secret"], "decapsulation")
        need(schedule(kem, v["shared_secret"], v["info"]) == (v["key"], v["base_nonce"], v["secret"]), "key schedule")
        need(aead_open(ChaCha20Poly1305(v["key"]), v["base_nonce"], v["ct"], v["aad"]) == v["pt"], "plaintext")

    def xwing(x):
        kem = XWing()
        need(x["sk"] == x["seed"] and kem.public(x["seed"]) == x["pk"], "another public key")
        need(kem.decap(x["seed"], x["pk"], x["ct"]) == x["ss"], "another secret")

    def bip39():
        # the list's own checksum, as published with BIP-39, and its first test vector
        digest = hashlib.sha256((HERE / "bip39-english.txt").read_bytes()).hexdigest()
        need(digest == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda", "another list of words")
        need(words(bytes(16)) == "abandon " * 11 + "about", "other words")

    def hchacha():
        # draft-irtf-cfrg-xchacha, section 2.2.1
        out = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
        need(out.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", "another subkey")

    yield "RFC 9180, A.2.1", rfc9180
    for n, x in enumerate(vectors["x_wing"]["vectors"]):
        yield f"X-Wing, {n}", lambda x=x: xwing({k: bytes.fromhex(h) for k, h in x.items()})
    yield "BIP-39", bip39
    yield "HChaCha20", hchacha


# -- running -----------------------------------------------------------------------------------------------------------


def main():
    verbose = "-v" in sys.argv[1:]
    passed, failed = 0, 0

    def count(file, results):
        nonlocal passed, failed
        good = 0
        for name, trouble in results:
            if trouble is None:
                good += 1
            else:
                failed += 1
                print(f"FAILED {file}: {name}: {trouble}")
        passed += good
        print(f"{good:4} {file}")

    def attempt(check, *args):
        try:
            check(*args)
        except Refused as why:
            return str(why)
        return None

    for file, check in READ.items():
        vectors = json.loads((HERE / file).read_text())["vectors"]
        need(vectors, f"{file} is empty")
        count(file, [(v["name"], attempt(check, v)) for v in vectors])

    refused = []
    for v in json.loads((HERE / "refused.json").read_text())["vectors"]:
        why = attempt(read_refused, v)
        if verbose:
            print(f"     {v['name']} ({v['reason']}): {why}")
        refused.append((v["name"], None if why else f"taken, though {v['reason']}"))
    count("refused.json", refused)
    vectors = json.loads((HERE / "published.json").read_text())
    count("published.json", [(name, attempt(check)) for name, check in published(vectors)])

    known = {p.name for p in HERE.glob("*.json")}
    strangers = known - set(READ) - {"refused.json", "published.json"}
    count("every file has a reader", [(name, "nobody reads it") for name in strangers])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
