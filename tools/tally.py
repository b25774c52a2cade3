#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""tally.py FILE... - adds up JUnit files into the closing line of ./test.

Names what failed and why what was skipped was; ends with 1 when anything
failed or a file holds no test at all. A .json is Meson's own log: in its JUnit
file a program that was killed half-way shows only the cases that it passed.
"""
import json
import sys
import xml.etree.ElementTree as tree


def name_of(case):
    return f"{case.get('classname', '')} {case.get('name', '')}".strip()


def why(case):
    """The first line of what its failure says."""
    said = next((e.get("message") for tag in ("failure", "error") for e in case.findall(tag) if e.get("message")), "")
    return ": " + said.splitlines()[0][:200] if said else ""


def add_up(path, total):
    suites = list(tree.parse(path).getroot().iter("testsuite"))
    cases = [c for s in suites for c in s.findall("testcase")]
    if not cases and not any(int(s.get("skipped", 0)) for s in suites):
        total["failed"] += 1
        print(f"{path}: no test was run")
    total["skipped"] += sum(int(s.get("skipped", 0)) for s in suites if not s.findall("testcase"))
    for case in cases:
        bad = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped")
        if bad:
            print(f"FAILED  {name_of(case)}{why(case)}")
        elif skipped is not None:
            print(f"skipped {name_of(case)}: {skipped.get('message', 'no reason given')}")
        total["failed" if bad else "passed" if skipped is None else "skipped"] += 1
        if bad:
            total["blamed"] |= {case.get("classname", ""), case.get("name", "")}


def add_programs(path, total):
    with open(path) as log:
        programs = [json.loads(line) for line in log if line.strip()]
    if not programs:
        total["failed"] += 1
        print(f"{path}: no test was run")
    for p in programs:
        blamed = any(b.endswith(p["name"]) for b in total["blamed"])
        if p["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not blamed:
            total["failed"] += 1
            print(f"FAILED  {p['name']}: {p['result']}, status {p['returncode']}")


def main():
    total = {"passed": 0, "failed": 0, "skipped": 0, "blamed": set()}
    for path in sorted(sys.argv[1:], key=lambda p: p.endswith(".json")):
        try:
            (add_programs if path.endswith(".json") else add_up)(path, total)
        except (OSError, ValueError, tree.ParseError) as e:
            total["failed"] += 1
            print(f"{path}: {e}")
    if total["passed"] == 0 and total["failed"] == 0:
        total["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**total))
    sys.exit(1 if total["failed"] else 0)


main()
