#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What does it cost to run under the verifier? Each program runs without it and with the sources of
# stores in turn; the answers are the median ratios of the rounds, with the least and the greatest.
#
#   cmake --build --preset release --target bench
#   bench/verifier/run.sh BUILD [DIRECTORY [ROUNDS [PART...]]]
#
# The parts, all of them if none is named:
#
#   btree        inserts into a B-tree (btree.c), after each page's first store: with hooks built in
#                and nobody listening, hooks, api, pages; a page's first store; memory
#   interval     the same for pages=interval, with fewer inserts: each drain looks at the whole file
#   threads      two threads at once (insert.c), each with a tree of its own, under hooks: how many
#                times what one does they do together
#   outstanding  inserts while 100,000 stores wait for a flush, under hooks, against none waiting
#   paced        a million Write and Flush a second (paced.c), under api
#   memory       when all of a file waits for its flush (sweep.c)
#   valgrind     the B-tree under hooks against valgrind, in turn: pmemcheck, where NVRTL_VALGRIND
#                (else "valgrind") has that tool, and valgrind with no tool, which is beneath it.
#                Without pmemcheck lackey, which counts what it sees and knows nothing of memory
set -eu
build=${1:?usage: bench/verifier/run.sh BUILD [DIRECTORY [ROUNDS [PART...]]]}
directory=${2:-/dev/shm}
rounds=${3:-7}
if [ $# -gt 3 ]; then
    shift 3
else
    set -- btree interval threads outstanding paced memory valgrind
fi
programs=$build/bench

work=$(mktemp -d "$directory/nvrtl-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# run SOURCE PROGRAM [ARGUMENT...]: in a file of its own. none: without the verifier; off: with
# hooks built in, without the verifier.
run() {
    source=$1
    program=$2
    shift 2
    rm -f "$work/file"
    case $source in
    none) "$programs/$program" "$work/file" "$@" ;;
    off) "$programs/$program-hooked" "$work/file" "$@" ;;
    hooks) under hooks "$programs/$program-hooked" "$@" ;;
    *) under "$source" "$programs/$program" "$@" ;;
    esac
}

under() {
    source=$1
    program=$2
    shift 2
    "$build/bin/nvrtl" run --stores="$source" --report=json --output "$work/out" -- \
        "$program" "$work/file" "$@"
}

# The number in the middle, the least and the greatest, of a column of a file.
spread() {
    cut -d' ' -f"$2" "$1" | sort -n | awk '{ v[NR] = $1 }
        END { printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# ratio A B [FACTOR]: FACTOR times the first column of A by that of B, round by round.
ratio() {
    paste -d' ' "$work/$1" "$work/$2" |
        awk -v factor="${3:-1}" -v columns="$(awk 'NR == 1 { print NF }' "$work/$1")" \
            '{ print factor * $1 / $(columns + 1) }' > "$work/ratio"
    spread "$work/ratio" 1
}

# rounds_of NAME... : calls round_NAME in turn, as often as there are rounds.
rounds_of() {
    left=$rounds
    while [ "$left" -gt 0 ]; do
        for name in "$@"; do
            "round_$name" >> "$work/$name"
        done
        left=$((left - 1))
    done
}

round_btree_none() { run none btree 600000 400000; }
round_btree_off() { run off btree 600000 400000; }
round_btree_hooks() { run hooks btree 600000 400000; }
round_btree_api() { run api btree 600000 400000; }
round_btree_pages() { run pages btree 600000 400000; }
part_btree() {
    rm -f "$work/file"
    echo "btree: $("$programs/btree-count" "$work/file")"
    rounds_of btree_none btree_off btree_hooks btree_api btree_pages
    echo "btree: none $(spread "$work/btree_none" 1) ns an insert," \
        "a page's first store $(spread "$work/btree_none" 2) ns"
    echo "btree: built in, nobody listens: $(ratio btree_off btree_none) times none"
    for source in hooks api pages; do
        echo "btree: $source $(ratio "btree_$source" btree_none) times none," \
            "a page's first store $(spread "$work/btree_$source" 2) ns," \
            "memory $(spread "$work/btree_$source" 3) bytes a byte"
    done
}

round_interval_none() { run none btree 1000 1000; }
round_interval_pages() { run pages=interval btree 1000 1000; }
part_interval() {
    rounds_of interval_none interval_pages
    echo "interval: pages=interval $(ratio interval_pages interval_none) times none"
}

round_threads_bare1() { run none insert 100000 1; }
round_threads_bare2() { run none insert 100000 2; }
round_threads_one() { run hooks insert 100000 1; }
round_threads_two() { run hooks insert 100000 2; }
part_threads() {
    rounds_of threads_bare1 threads_bare2 threads_one threads_two
    echo "threads: two under hooks do $(ratio threads_one threads_two 2) times what one does," \
        "without hooks $(ratio threads_bare1 threads_bare2 2)"
    echo "threads: hooks $(ratio threads_one threads_bare1) times none"
}

round_outstanding_none() { run hooks insert 100000 1; }
round_outstanding_many() { run hooks insert 100000 1 100000; }
part_outstanding() {
    rounds_of outstanding_none outstanding_many
    echo "outstanding: 100,000 waiting $(ratio outstanding_many outstanding_none) times none"
}

# The CPU's clock changes from round to round.
round_paced_none() {
    pace=$(run none paced 1000000)
    run none paced 1000000 "$pace"
}
round_paced_api() { run api paced 1000000 "$pace"; }
round_apart_none() { run none paced 1000000 "$pace" apart; }
round_apart_api() { run api paced 1000000 "$pace" apart; }
part_paced() {
    rounds_of paced_none paced_api apart_none apart_api
    echo "paced: none $(spread "$work/paced_none" 1) ns a Write and Flush," \
        "api $(ratio paced_api paced_none) times," \
        "memory $(spread "$work/paced_api" 2) bytes a byte"
    echo "paced: each on another page, api $(ratio apart_api apart_none) times"
}

part_memory() {
    echo "memory: all of it waiting: hooks $(run hooks sweep), api $(run api sweep write)," \
        "pages $(run pages sweep), pages and Write $(run pages sweep write) bytes a byte"
}

valgrind=${NVRTL_VALGRIND:-valgrind}
grind() {
    tool=$1
    shift
    rm -f "$work/file"
    "$valgrind" --tool="$tool" --log-file=/dev/null "$@" "$programs/btree" "$work/file" 4000 4000
}
round_grind_bare() { run none btree 4000 4000; }
round_grind_hooks() { run hooks btree 4000 4000; }
round_grind_none() { grind none; }
round_grind_pmemcheck() { grind pmemcheck --expect-fence-after-clflush=yes; }
round_grind_lackey() { grind lackey; }
part_valgrind() {
    if ! "$valgrind" --tool=none --log-file=/dev/null true 2> /dev/null; then
        echo "valgrind: skipped, there is none"
        return
    fi
    other=pmemcheck
    if ! "$valgrind" --tool=pmemcheck --log-file=/dev/null true > /dev/null 2>&1; then
        other=lackey
        echo "valgrind: this one has no pmemcheck"
    fi
    rounds_of grind_bare grind_hooks grind_none "grind_$other"
    for tool in hooks none "$other"; do
        echo "valgrind: $tool $(ratio "grind_$tool" grind_bare) times without"
    done
    echo "valgrind: $other $(ratio "grind_$other" grind_hooks) times hooks"
}

for part in "$@"; do
    "part_$part"
done
