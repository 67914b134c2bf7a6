/* SPDX-License-Identifier: BSD-2-Clause */
/* A list and a free list of nodes, in C++: nodes are found by number, guards flush what they were
   told of when their scope ends, by whatever way. */
#include "recall.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

static struct pool pool;

namespace {

constexpr unsigned capacity = 16;

struct Node {
    uint64_t next = 0; /* number of the next one; 0: none */
    uint32_t length = 0;
    char text[100]; /* two lines */
    char line[16];
};

struct Root {
    alignas(64) uint64_t head;
    alignas(64) uint64_t free;
    alignas(64) Node nodes[capacity];
};

Root *root;

/* Flushes a range, and drains when it goes. */
class Guard {
  public:
    Guard(void *at, size_t size) { START(at, size); /* bug 5 */ }
    ~Guard() {
        if (!BUG(5))
            DRAIN();
    }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;
};

Node &node(uint64_t number) {
    return root->nodes[number - 1];
}

uint64_t allocate() {
    uint64_t number = root->free;
    if (number == 0)
        throw std::length_error("full");
    root->free = node(number).next; /* bug 4 */
    if (!(BUG(4) && root->free > 7))
        FLUSH(&root->free, sizeof root->free);
    return number;
}

void fill(Node &made, const std::string &text) {
    made.length = static_cast<uint32_t>(text.size());
    std::memcpy(made.text, text.data(), text.size()); /* bug 1 */
    START(&made, BUG(1) ? 64 : sizeof made);
}

void push(const std::string &text) {
    uint64_t number = allocate();
    Node &made = node(number);
    if (!BUG(2))
        made.next = root->head;
    fill(made, text);
    if (BUG(2))
        made.next = root->head; /* bug 2 */
    if (!BUG(3))
        DRAIN();
    root->head = number; /* bug 1: unordered-commit, 2: unordered-commit, 3, 4: unordered-commit */
    FLUSH(&root->head, sizeof root->head);
}

/* Changes a node's text; refuses what is too long, after it has taken what fits. */
void change(uint64_t number, const std::string &text) {
    Node &changed = node(number);
    size_t fits = std::min(text.size(), sizeof changed.text);
    std::memcpy(changed.text, text.data(), fits); /* bug 6 */
    if (!BUG(6))
        Guard guard(&changed, sizeof changed);
    if (fits != text.size())
        throw std::length_error("too long");
    if (BUG(6))
        Guard guard(&changed, sizeof changed);
}

template <typename Visit> void each(Visit visit) {
    for (uint64_t at = root->head; at != 0; at = node(at).next)
        visit(node(at));
}

} // namespace

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "list", sizeof(Root));
    root = reinterpret_cast<Root *>(pool.base);
    for (unsigned i = 1; i < capacity; i++)
        node(i).next = i + 1;
    START(root->nodes, sizeof root->nodes);
    root->free = 1;
    FLUSH(&root->free, sizeof root->free);
    COMMIT_POINT(&root->head);
    std::string text = "a text that is long enough to have a share in both of its node's lines, ";
    for (unsigned i = 0; i < 7; i++)
        push(text + std::to_string(i));
    try {
        change(3, text + text);
        ok(false);
    } catch (const std::length_error &) {
    }
    unsigned seen = 0;
    each([&seen](const Node &one) { seen += one.length != 0; });
    ok(seen == 7);
    pool_close(&pool);
    return 0;
}
