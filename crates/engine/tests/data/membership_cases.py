"""Packs worlds of the executable model into membership_cases.txt, one short line each.

    python3 membership.py --cases 5000 | PYTHONPATH=folder/of/the/model python3 membership_cases.py > membership_cases.txt

    line      founders;classes;logs;standing;adopted;standing under the entry rule[;the same, branches in reverse]
              the last only where it differs: there the model's answer depends on the order of branches, which says
              nothing in the protocol, and an order-free fold can agree with one of the two only
    logs      split by ",", each: author branch[/branch...]
    branch    items: an upper-case verb, then the targets that it speaks of, until the next verb
              N noted  C clear  S seat  K consent  O object  W withdraw  E excuse  L leave (no target)
    K O W     each target is followed by [epoch.]n and ! if disavowed;  E: by (pids) unless they are those of the E before
    targets   a-e agencies  p q private  o observer  v-z founders  f-m motions
    standing  founders, then classes in the order given: p s o c l
"""
import json, sys
from membership import Fold
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
    assert set(who) == set(w['standing'])
    turned = Fold(w['founders'], w['classes'], {a: bs[::-1] for a, bs in w['logs'].items()}, veto='entry').standing
    print(''.join(map(name, w['founders'])), ''.join(map(name, sorted(w['classes']))), ','.join(name(a) + '/'.join(map(branch, w['logs'][a])) for a in sorted(w['logs'])),
          standing(w['standing']), ''.join(map(name, w['adopted'])), standing(w['standing_entry']), *[standing(turned)] * (turned != w['standing_entry']), sep=';')
