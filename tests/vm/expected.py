# SPDX-License-Identifier: BSD-2-Clause
"""What is true in a guest, and whether the routines said so."""

import json
import uuid

# The best way of a CPU to write a line back.
CPUS = {"max": "clwb", "max,-clwb": "clflushopt", "qemu64": "clflush", "Skylake-Server": "clwb",
        "EPYC": "clflushopt"}  # fmt: skip
# What the machine says about its caches: the domain, and the reason's words.
PERSISTENCE = {
    "mem-ctrl": ("memory", " (memory_controller): durable once written back"),
    "cpu": ("cpu-cache", ", which saves the CPU's caches (cpu_cache)"),
    None: ("memory", " (no persistence_domain told): durable once written back"),
}
DEVDAX = {"memory": ": durable once written back", "cpu-cache": PERSISTENCE["cpu"][1]}


def expected_views(persistence, regions):
    """Of each view its domain and the beginning of its reason, or how the system refuses it.
    regions: {name of a device: number of its region}, which its other names have too."""
    views = {}

    def expect(device, sync, plain, mapfile):
        for how, answer in (("sync", sync), ("plain", plain), ("mapfile", mapfile)):
            views[f"{device}-{how}"] = answer

    def expect_dax(device, file_system, domain, told):
        file = f"{file_system} on pmem{regions[device]}"
        sync = domain, f"{file} with dax, mapped with MAP_SYNC, in region{regions[device]}{told}"
        plain = "page-cache", f"{file} has dax, but the view is mapped without MAP_SYNC"
        expect(device, sync, plain, sync)

    def expect_all(device, answer):
        expect(device, answer, answer, answer)

    def expect_page_cache(device, answer):
        expect(device, "EOPNOTSUPP", answer, answer)

    domain, told = PERSISTENCE[persistence]
    expect_dax("fsdax", "ext4", domain, told)
    # What the parameter memmap= took from RAM looks the same, and the machine's end takes it away.
    number = regions["e820"]
    expect_all("e820", ("volatile", f"ext4 on pmem{number}; region{number} may be RAM that the "
                                    "kernel's parameter memmap= set aside"))  # fmt: skip
    if "xfs" in regions:
        expect_dax("xfs", "xfs", domain, told)
    number = regions["devdax"]
    expect_all("devdax", (domain, f"device-dax dax{number}.0 in region{number}{DEVDAX[domain]}"))
    expect_all("virtiodax", ("volatile", f"device-dax dax{regions['virtiodax']}.0 of virtio-pmem"))
    raw, virtio = f"pmem{regions['raw']}", f"pmem{regions['virtio']}"
    expect_page_cache("raw", ("page-cache", f"ext4 on {raw} is mounted without dax, which the "
                                            "device cannot do: durable by msync"))  # fmt: skip
    expect_page_cache("virtio", ("page-cache", f"ext4 on {virtio} has dax, but virtio-pmem refuses "
                                               "MAP_SYNC: durable by msync"))  # fmt: skip
    expect_page_cache("tmpfs", ("volatile", "tmpfs at /tmp lives in RAM"))
    views["node"] = ("page-cache", f"block device {raw} itself")
    return views


class Boot:
    """What one machine answered, and what is wrong with it."""

    def __init__(self, answers, cpu, persistence):
        self.answers, self.cpu, self.persistence = answers, cpu, persistence
        self.nonce = uuid.uuid4().hex
        self.wrong = []

    def summary(self):
        begun = " ".join(f"Linux {name} up after {words[0]} s"
                         for name, words in self.said("begin").items())  # fmt: skip
        return (f"{self.cpu}, persistence {self.persistence}: {begun or 'no system'}, "
                f"{len(self.said('view'))} views, {len(self.said('test'))} tests")

    def said(self, word):
        """{name: words} of the lines that begin with word and a name."""
        return {line[1]: line[2:] for line in self.answers if line[0] == word}

    def kept(self):
        """The views on devices that the machine's end does not take away."""
        lost = ("e820", "virtiodax", "tmpfs", "node")
        return [name for name in self.said("view") if not name.startswith(lost)]

    def expect(self, condition, *words):
        if not condition:
            self.wrong.append(" ".join(map(str, words)))

    def expect_all(self, word, names, answer):
        said = self.said(word)
        for name in names:
            self.expect(said.get(name) == answer, word, name, "answered", said.get(name))

    def check(self, earlier, tests):
        refused, views = self.said("refused"), self.said("view")
        regions = {name: words[0] for name, words in self.said("device").items()}
        for name, answer in expected_views(self.persistence, regions).items():
            if isinstance(answer, str):
                self.expect(refused.get(name) == [answer], name, "not refused:", views.get(name))
            elif name not in views:
                self.expect(False, name, "is missing:", refused.get(name))
            else:
                self.check_view(name, dict(word.split("=", 1) for word in views[name]), *answer)
        self.expect_all("exercise", views, ["passed"])
        self.expect_all("kept", self.kept(), ["passed"])
        self.expect_all("missing", self.kept() if earlier else [], ["0"])
        self.check_command(regions)
        self.expect_all("test", tests, ["0"])

    def check_view(self, name, view, domain, reason):
        flush = {"cpu-cache": "none", "page-cache": "msync"}.get(domain, CPUS[self.cpu])
        wanted = {"status": "success", "domain": domain, "flush": flush, "line": "64",
                  "atomic": "8", "flags": "0x8", "region": "right"}  # fmt: skip
        for key, value in wanted.items():
            self.expect(view[key] == value, name, key, view[key], "instead of", value)
        self.expect(view["reason"].startswith(reason), name, "reason:", view["reason"])

    def check_command(self, regions):
        """The command sees the same; the verifier works where no msync is needed."""
        domains = dict.fromkeys(regions, PERSISTENCE[self.persistence][0])
        domains.update(raw="page-cache", virtio="page-cache", virtiodax="page-cache",
                       e820="volatile")  # fmt: skip
        told = {name: json.loads(words[0]) for name, words in self.said("info").items()}
        for name in "fsdax", "raw", "virtio", "e820":
            self.expect(told[name]["domain"] == domains[name], "nvrtl info", told[name])
        # A raw namespace does no DAX for now, but it lies in persistent memory as any other.
        domains["raw"] = domains["fsdax"]
        for region in told["regions"]["regions"]:
            (name,) = (n for n in regions if f"region{regions[n]}" == region["name"])
            self.expect(region["domain"] == domains[name], "nvrtl info", region)
        self.expect(len(told["regions"]["regions"]) == len(regions), "nvrtl info", told["regions"])
        self.expect_all("verified", ["wordstore"], ["0"])
        self.expect_all("verified", ["wordstore-broken"], ["1"])
