"""Known vulnerabilities of what the constraints pin, by pip-audit; exit code 1 where one is known.

Where no advisories can be had (no network but a package index), it says so, and of how many
packages: a run that asked nobody must not look like one that found nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys

# One may not name a package twice.
FILES = ("constraints.txt", "constraints-sign.txt")
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"),
    *("--progress-spinner", "off", "--requirement"),
)


def main() -> int:
    """Run it, and print a line for each finding and one for all."""
    found_by = {}
    for file in FILES:
        done = subprocess.run([*COMMAND, file], capture_output=True, text=True, check=False)
        try:
            for package in json.loads(done.stdout)["dependencies"]:
                found_by[package["name"], package.get("version")] = package
        except ValueError:
            print(f"NOT AUDITED: pip-audit gave no answer.\n{done.stderr.strip()}")
            return 0
    packages = list(found_by.values())
    asked = [package for package in packages if "skip_reason" not in package]
    found = [(package, fault) for package in asked for fault in package["vulns"]]
    for package, fault in found:
        mended = ", ".join(fault["fix_versions"]) or "no release"
        print(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    print(f"{len(found)} known vulnerabilities in {len(asked)} packages.")
    if unknown := len(packages) - len(asked):
        print(f"NOT AUDITED: {unknown} packages that no advisory service knows here.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
