# SPDX-License-Identifier: BSD-2-Clause
"""Programs of others: Debian's source packages."""

PACKAGES = {}


def prepare(name, folder):
    raise KeyError(name)
