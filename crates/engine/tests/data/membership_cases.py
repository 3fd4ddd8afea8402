"""Packs worlds of the executable model into membership_cases.txt, one short line each.

    python3 membership.py --cases 5000 | PYTHONPATH=folder/of/the/model python3 membership_cases.py > membership_cases.txt

    line      founders;classes;logs;standing;adopted;standing under the entry rule
    logs      split by ",", each: author branch[/branch...]
    branch    items: an upper-case verb, then the targets that it speaks of, until the next verb
              N noted  C clear  S seat  K consent  O object  W withdraw  E excuse  L leave (no target)
    K O W     each target is followed by [epoch.]n and ! if disavowed;  E: by (pids) unless they are those of the E before
    targets   a-e agencies  p q private  o observer  v-z founders  f-m motions
    standing  founders, then classes in the order given: p s o c l

The rules are the model's but for one (docs/protocol.md 4.6): of what a contested log says, only a clearance that stands
before the fork makes an objection late. In the model a clearance on any branch does, so a feed key alone could end an
objection of officers: against sentences 4 and 12. With it no answer depends on the order of branches; in the model seven did.
"""
import json, sys
from membership import Fold as Model

class Fold(Model):
    def read(self, author, branches):
        stem = 0
        while len(branches) > 1 and all(stem < len(b) and b[stem] == branches[0][stem] for b in branches): stem += 1
        tail = [i for b in branches for i in b[stem:]] if len(branches) > 1 else []
        seated, cleared = set(), set()
        for item in (branches[0][:stem] if tail else branches[0]) + sorted(tail, key=lambda i: (i[0] != 'seat', i[0] != 'object')):
            self.say(author, item, seated, cleared)
        self.seats[author] = seated

VERB = dict(noted='N', clear='C', seat='S', consent='K', object='O', withdraw='W', excuse='E')

def name(x):
    if x.startswith('amend:'): return 'fghijklm'[int(x[6:])]
    kind, i = x[0], int(x[1:])
    return {'a': 'abcde', 'p': 'pq', 'o': 'o', 'f': 'vwxyz'}[kind][i]

def branch(items):
    out, verb, last = '', '', None
    for item in items:
        if item[0] == 'leave': out += 'L'; verb = ''; continue
        v = VERB[item[0]]
        if v != verb: out += v; verb = v
        out += name(item[1])
        if v in 'KOW': out += (f'{item[2][0]}.' if item[2][0] else '') + str(item[2][1]) + ('!' if len(item) > 3 and item[3] else '')
        if v == 'E' and item[2] != last: last = item[2]; out += '(' + ''.join(map(name, last)) + ')'
    return out

for line in sys.stdin:
    w = json.loads(line); who = w['founders'] + sorted(w['classes'])
    standing = lambda s: ''.join(s[x][0] for x in who)
    fold = lambda veto, turn=1: Fold(w['founders'], w['classes'], {a: bs[::turn] for a, bs in w['logs'].items()}, veto=veto)
    as_is, entry, turned = fold('standing'), fold('entry').standing, fold('entry', -1).standing
    assert set(who) == set(as_is.standing) and entry == turned
    print(''.join(map(name, w['founders'])), ''.join(map(name, sorted(w['classes']))), ','.join(name(a) + '/'.join(map(branch, w['logs'][a])) for a in sorted(w['logs'])),
          standing(as_is.standing), ''.join(map(name, as_is.adopted)), standing(entry), sep=';')
