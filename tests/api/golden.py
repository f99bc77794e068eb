#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Golden requests and answers against a running daemon: golden.py BUILD [FILE...]

A golden file is a list of steps {"request": "PUT /v1/...", "headers"?, "body"?, "status", "answer"?, "answer_headers"?}.
"<build>" in a body is the build folder.  Every file starts with an empty policy.  An answer matches when it is equal, where the golden text may say

  "<any>"    whatever is there          "<uint>"   a decimal string
  "<int>"    an integer                 "<time>"   a time as RFC 3339
  "<text:X>" a text that contains X     {"...": 1} other members may be there as well
"""
import json
import pathlib
import re
import sys

from daemon import Daemon

HERE = pathlib.Path(__file__).resolve().parent
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def differences(wanted, found, where=""):
    """Texts that say where `found` is not what was `wanted`."""
    if wanted == "<any>":
        return
    if wanted == "<uint>":
        if not (isinstance(found, str) and found.isdigit()):
            yield f"{where}: wanted a decimal string, found {found!r}"
        return
    if wanted == "<int>":
        if not isinstance(found, int) or isinstance(found, bool):
            yield f"{where}: wanted an integer, found {found!r}"
        return
    if wanted == "<time>":
        if not (isinstance(found, str) and TIME.fullmatch(found)):
            yield f"{where}: wanted a time, found {found!r}"
        return
    if isinstance(wanted, str) and wanted.startswith("<text:"):
        if not (isinstance(found, str) and wanted[6:-1] in found):
            yield f"{where}: wanted a text with {wanted[6:-1]!r}, found {found!r}"
        return
    if isinstance(wanted, dict) and isinstance(found, dict):
        is_open = "..." in wanted
        for name in wanted:
            if name == "...":
                continue
            if name not in found:
                yield f"{where}/{name}: missing"
            else:
                yield from differences(wanted[name], found[name], f"{where}/{name}")
        for name in found:
            if name not in wanted and not is_open:
                yield f"{where}/{name}: not wanted, found {found[name]!r}"
        return
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{where}: wanted {len(wanted)} elements, found {len(found)}: {json.dumps(found)[:300]}"
            return
        for i, (w, f) in enumerate(zip(wanted, found)):
            yield from differences(w, f, f"{where}/{i}")
        return
    if wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        yield f"{where}: wanted {wanted!r}, found {found!r}"


def run_step(daemon, step):
    method, path = step["request"].split(" ", 1)
    body = step.get("body")
    if body is not None:
        body = json.loads(json.dumps(body).replace("<build>", str(daemon.build)))
    if isinstance(step.get("raw"), str):
        body = step["raw"].encode()
    answer = daemon.call(method, path, body, step.get("headers"))
    faults = []
    if answer.status != step["status"]:
        faults.append(f"status: wanted {step['status']}, found {answer.status}: {answer.body[:300]!r}")
    if "Policy-Revision" not in answer.headers:
        faults.append("no Policy-Revision header")
    if "answer" in step:
        faults += differences(step["answer"], answer.json)
    if "text" in step and answer.body.decode() != step["text"]:
        faults.append(f"body: wanted {step['text']!r}, found {answer.body!r}")
    for name, value in step.get("answer_headers", {}).items():
        if answer.headers.get(name) != value:
            faults.append(f"header {name}: wanted {value!r}, found {answer.headers.get(name)!r}")
    if answer.status >= 400:
        if answer.headers.get("Content-Type") != "application/problem+json":
            faults.append("an error that is not application/problem+json")
        elif not {"title", "status", "code", "detail"} <= answer.json.keys():
            faults.append(f"an incomplete problem: {answer.json}")
    return faults


def main():
    files = [pathlib.Path(f) for f in sys.argv[2:]] or sorted((HERE / "golden").glob("*.json"))
    bad = 0
    steps = 0
    with Daemon(sys.argv[1]) as daemon:
        for file in files:
            daemon.call("PUT", "/v1/policy", {})
            for number, step in enumerate(json.loads(file.read_text()), 1):
                steps += 1
                faults = run_step(daemon, step)
                for fault in faults:
                    print(f"{file.name}: step {number}: {step['request']}: {fault}")
                bad += bool(faults)
    if daemon.exit_status != 0:
        print(f"sluiced ended with {daemon.exit_status}")
        bad += 1
    print(f"{len(files)} files, {steps} steps, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
