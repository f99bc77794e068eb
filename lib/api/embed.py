#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The contract as C: embed.py openapi.json OUTPUT.c

White space is for people who read the file here; the daemon carries the rest.
"""
import json
import sys


def refuse_twins(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        sys.exit(f"openapi.json: a member twice among {[name for name, _ in pairs]}")
    return members


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file, object_pairs_hook=refuse_twins)
    text = json.dumps(document, separators=(",", ":")).encode()
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write('#include "api/api.h"\n\nconst char api_openapi_text[] = {\n')
        for i in range(0, len(text), 24):
            file.write("\t" + ", ".join(str(byte) for byte in text[i:i + 24]) + ",\n")
        file.write("};\nconst size_t api_openapi_len = sizeof(api_openapi_text);\n")


if __name__ == "__main__":
    main()
