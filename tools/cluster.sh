#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tools/cluster.sh [BUILD]: examples/cluster for real, in a minute. A search of the broken word
# store under GNU parallel, and under Slurm with its daemons on this machine; both have to tell what
# the whole search tells. Installs both and wants root for that, and for the daemons.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    tools/deps.sh
    cmake --preset dev >/dev/null
    cmake --build --preset dev --parallel "$(nproc)" >/dev/null
fi
build=$(realpath "${1:-build/dev}")
for package in parallel slurm-wlm munge; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        apt-get install -y --no-install-recommends "$package" >/dev/null
done

work=$(mktemp -d)
daemons=()
end() {
    for pid in "${daemons[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap end EXIT
parts=5
export NVRTL=$build/bin/nvrtl CRASH_OPTIONS=--exhaustive=64 FORMAT=json
check=$build/tests/crash/libcrash-wordstore-check.so

# What was found, in order; images lie elsewhere.
findings() {
    python3 -c 'import json, sys
for finding in json.load(open(sys.argv[1]))["findings"]:
    finding.pop("image")
    print(json.dumps(finding, sort_keys=True))' "$1"
}

cp examples/cluster/*.sh "$work"
cd "$work"
seq 16 | sed 's/^/word/' >words
"$NVRTL" record -o run.trace -- "$build/tests/crash/crash-wordstore-broken" store load words
"$NVRTL" crash --seed=1 --check="$check" --report=json --output=whole --keep=whole/images \
    --exhaustive=64 run.trace || [ $? -eq 1 ]
findings whole/report.json >whole.txt
[ -s whole.txt ]

# same NAME STATUS: its report is that of the whole search, and it has ended with 1.
same() {
    findings "$1.json" >"$1.txt"
    if [ "$2" -ne 1 ] || ! diff whole.txt "$1.txt"; then
        echo "cluster.sh: $1 does not tell what the whole search tells (status $2)" >&2
        exit 1
    fi
    echo "cluster.sh: $1: $parts parts tell what the whole search tells"
}

status=0
./parallel.sh run.trace "$check" "$parts" >parallel.json || status=$?
same parallel "$status"

rm -rf shards
host=$(hostname -s)
mkdir state spool
cat >slurm.conf <<END
ClusterName=nvrtl
SlurmctldHost=$host
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MailProg=/bin/true
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$work/slurm.conf
head -c 1024 /dev/urandom >munge.key
chmod 400 munge.key
chmod 755 .
munged --foreground --force --key-file=munge.key --socket="$work/munge.socket" \
    --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munged.seed" \
    2>/dev/null &
daemons+=($!)
until [ -S munge.socket ]; do kill -0 "${daemons[0]}"; done
slurmctld -D >slurmctld.log 2>&1 &
daemons+=($!)
slurmd -D >slurmd.log 2>&1 &
daemons+=($!)
status=0
sbatch --wait --array=1-"$parts" slurm.sh run.trace "$check" "$parts" >/dev/null || status=$?
if [ "$status" -ne 0 ]; then
    tail -n 20 slurmctld.log slurmd.log shard-*.log >&2
    exit 1
fi
./merge.sh "$parts" >slurm.json || status=$?
same slurm "$status"
