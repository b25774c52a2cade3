#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""tally.py FILE.xml... - adds up JUnit files into the closing line of ./test.

Names what failed and why what was skipped was; ends with 1 when anything
failed or a file holds no test at all.
"""
import sys
import xml.etree.ElementTree as tree


def name_of(case):
    return f"{case.get('classname', '')} {case.get('name', '')}".strip()


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
            print(f"FAILED  {name_of(case)}")
        elif skipped is not None:
            print(f"skipped {name_of(case)}: {skipped.get('message', 'no reason given')}")
        total["failed" if bad else "passed" if skipped is None else "skipped"] += 1


def main():
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        try:
            add_up(path, total)
        except (OSError, tree.ParseError) as e:
            total["failed"] += 1
            print(f"{path}: {e}")
    if total["passed"] == 0 and total["failed"] == 0:
        total["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**total))
    sys.exit(1 if total["failed"] else 0)


main()
