/* SPDX-License-Identifier: BSD-2-Clause */
/* The pure parsers of map/: lines as the kernel writes them, every one of them cut anywhere, and
   lines that it never writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/sysmacros.h>

#include "base/bits.h"
#include "map/parse.h"
#include "map/region.h"
#include "map/scan.h"

static struct map_span span(const char *text) {
    return (struct map_span){text, strlen(text)};
}

static void test_entry(void **state) {
    (void)state;
    struct map_entry entry;
    const char *line = "7f00000a1000-7f00000a5000 rw-s 0001f000 103:02 18446744073709551615    "
                       "     /a b\\012c (deleted)";
    assert_true(map_parse_entry(span(line), &entry));
    assert_int_equal(entry.start, 0x7f00000a1000);
    assert_int_equal(entry.end, 0x7f00000a5000);
    assert_int_equal(entry.offset, 0x1f000);
    assert_int_equal(entry.device, makedev(0x103, 2));
    assert_int_equal(entry.inode, UINT64_MAX);
    assert_true(entry.writable);
    assert_true(entry.shared);
    assert_true(map_span_equals(entry.name, "/a b\\012c (deleted)"));
    assert_true(map_strip_deleted(&entry.name));
    assert_true(map_span_equals(entry.name, "/a b\\012c"));
    assert_false(map_strip_deleted(&entry.name));
}

static void test_entry_without_name(void **state) {
    (void)state;
    struct map_entry entry;
    assert_true(map_parse_entry(span("1000-2000 ---p 00000000 00:00 0 "), &entry));
    assert_false(entry.writable);
    assert_false(entry.shared);
    assert_int_equal(entry.name.length, 0);
    assert_true(map_parse_entry(span("1000-2000 r-xp 00000000 00:00 0"), &entry));
    assert_int_equal(entry.name.length, 0);
}

static void test_entry_refuses(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "-",
        "1000",
        "1000-",
        "2000-1000 rw-s 0 00:00 0",
        "1000-1000 rw-s 0 00:00 0",
        "1000-2000",
        "1000-2000 rw-",
        "1000-2000 rwxs",
        "1000-2000 r?-s 0 00:00 0",
        "1000-2000 rw-x 0 00:00 0",
        "1000-2000 rw-s  0 00:00 0",
        "1000-2000 rw-s 0 0000 0",
        "1000-2000 rw-s 0 00:00",
        "1000-2000 rw-s 0 00:00 x",
        "1000-2000 rw-s 0 00:00 0/x",
        "1000-2000 rw-s 0 100000000:00 0",
        "1000-2000 rw-s 0 00:00 18446744073709551616",
        "10000000000000000-20000000000000000 rw-s 0 00:00 0",
        "Size:                 16 kB",
        "VmFlags: rd wr",
    };
    struct map_entry entry;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        if (map_parse_entry(span(lines[i]), &entry))
            fail_msg("taken: %s", lines[i]);
    }
}

static void check_decode(const char *raw, const char *escaped, const char *decoded) {
    char text[64];
    assert_true(map_decode(span(raw), escaped, text, sizeof text));
    assert_string_equal(text, decoded);
}

static void test_decode(void **state) {
    (void)state;
    char text[8];
    check_decode("a\\012b", MAP_ESCAPED_IN_MAPS, "a\nb");
    /* The kernel escapes nothing else there: this is how the file is called. */
    check_decode("a\\040b\\134", MAP_ESCAPED_IN_MAPS, "a\\040b\\134");
    check_decode("a\\040b\\011\\012\\134\\043\\054", MAP_ESCAPED_IN_MOUNTINFO, "a b\t\n\\#,");
    check_decode("\\", MAP_ESCAPED_IN_MOUNTINFO, "\\");
    check_decode("\\04", MAP_ESCAPED_IN_MOUNTINFO, "\\04");
    check_decode("\\04x", MAP_ESCAPED_IN_MOUNTINFO, "\\04x");
    check_decode("\\000\\777", MAP_ESCAPED_IN_MOUNTINFO, "\\000\\777");
    assert_true(map_decode(span("1234567"), MAP_ESCAPED_IN_MAPS, text, sizeof text));
    assert_false(map_decode(span("12345678"), MAP_ESCAPED_IN_MAPS, text, sizeof text));
    assert_string_equal(text, "1234567");
    assert_false(map_decode(span("a"), MAP_ESCAPED_IN_MAPS, text, 1));
    assert_string_equal(text, "");
}

static const char mount_text[] =
    "36 35 259:2 /sub /mnt\\040x rw,noatime master:1 shared:7 - ext4 /dev/root rw,dax=always";

static void test_mount(void **state) {
    (void)state;
    struct map_mount_line mount;
    struct map_span value;
    assert_true(map_parse_mount(span(mount_text), &mount));
    assert_int_equal(mount.id, 36);
    assert_int_equal(mount.parent, 35);
    assert_int_equal(mount.device, makedev(259, 2));
    assert_true(map_span_equals(mount.root, "/sub"));
    assert_true(map_span_equals(mount.point, "/mnt\\040x"));
    assert_true(map_span_equals(mount.options, "rw,noatime"));
    assert_true(map_span_equals(mount.type, "ext4"));
    assert_true(map_span_equals(mount.source, "/dev/root"));
    assert_true(map_span_equals(mount.super, "rw,dax=always"));
    assert_true(map_find_option(mount.super, "dax", &value));
    assert_true(map_span_equals(value, "always"));
    assert_true(map_find_option(mount.options, "noatime", &value));
    assert_int_equal(value.length, 0);
    assert_false(map_find_option(mount.options, "no", &value));
    assert_false(map_find_option(mount.options, "noatime2", &value));
}

static void test_mount_with_empty_source(void **state) {
    (void)state;
    struct map_mount_line mount;
    assert_true(map_parse_mount(span("1 0 0:5 / / rw - tmpfs  rw,size=4k"), &mount));
    assert_int_equal(mount.source.length, 0);
    assert_true(map_span_equals(mount.super, "rw,size=4k"));
}

static void test_mount_refuses(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "x",
        "36",
        "36 35 259:2 / / rw",
        "36 35 259:2 / / rw master:1 ext4 /dev/root rw",
        "36 35 259 / / rw - ext4 /dev/root rw",
        "36 35 259:2 / / rw -",
        "36 35 259:2 /  rw - ext4 x rw",
        "36 35 99999999999:2 / / rw - ext4 x rw",
        "99999999999999999999 35 259:2 / / rw - ext4 x rw",
    };
    struct map_mount_line mount;
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        if (map_parse_mount(span(lines[i]), &mount))
            fail_msg("taken: %s", lines[i]);
    }
}

static void test_point_covers(void **state) {
    (void)state;
    size_t length;
    assert_true(map_point_covers(span("/"), "/a/b", &length));
    assert_int_equal(length, 1);
    assert_true(map_point_covers(span("/a\\040b"), "/a b/c", &length));
    assert_int_equal(length, 4);
    assert_true(map_point_covers(span("/a"), "/a", &length));
    assert_false(map_point_covers(span("/a"), "/ab", &length));
    assert_false(map_point_covers(span("/a/b"), "/a", &length));
    assert_false(map_point_covers(span(""), "/a", &length));
    assert_false(map_point_covers(span("/"), "", &length));
}

static void test_vm_flags(void **state) {
    (void)state;
    uint32_t flags;
    assert_true(map_parse_vm_flags(span("VmFlags: rd wr sh mr mw me ms sf hg "), &flags));
    assert_int_equal(flags, MAP_VM_SYNC);
    assert_true(map_parse_vm_flags(span("VmFlags: rd wr io pf "), &flags));
    assert_int_equal(flags, MAP_VM_DEVICE);
    assert_true(map_parse_vm_flags(span("VmFlags: rd sfx xsf"), &flags));
    assert_int_equal(flags, 0);
    assert_true(map_parse_vm_flags(span("VmFlags:"), &flags));
    assert_int_equal(flags, 0);
    assert_false(map_parse_vm_flags(span("VmFlagsx: sf"), &flags));
    assert_false(map_parse_vm_flags(span("Size: 4 kB"), &flags));
    assert_false(map_parse_vm_flags(span(""), &flags));
}

/* Asks every parser about a line in memory that ends where the line does. */
static void parse_all(const char *text, size_t length) {
    struct map_entry entry;
    struct map_mount_line mount;
    struct map_span value;
    uint32_t flags;
    char decoded[32];
    size_t covered;
    char *copy = malloc(length == 0 ? 1 : length);
    if (length > 0)
        memcpy(copy, text, length);
    struct map_span line = {copy, length};
    if (map_parse_entry(line, &entry))
        assert_true(entry.start < entry.end);
    if (map_parse_mount(line, &mount))
        map_find_option(mount.super, "upperdir", &value);
    map_parse_vm_flags(line, &flags);
    map_decode(line, MAP_ESCAPED_IN_MOUNTINFO, decoded, sizeof decoded);
    map_point_covers(line, "/a b", &covered);
    free(copy);
}

/* Under the address sanitizer every byte read past the end is seen. */
static void test_damaged_lines(void **state) {
    (void)state;
    static const char *const lines[] = {
        "7f00000a1000-7f00000a5000 rw-s 0001f000 103:02 131    /a b\\012c (deleted)",
        mount_text,
        "VmFlags: rd wr sh mr mw me ms sf hg ",
    };
    unsigned seed = 20240917;
    print_message("seed %u\n", seed);
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        char text[128];
        size_t length = strlen(lines[i]);
        for (size_t cut = 0; cut <= length; cut++)
            parse_all(lines[i], cut);
        for (unsigned round = 0; round < 20000; round++) {
            memcpy(text, lines[i], length);
            for (unsigned change = 0; change < 3; change++)
                text[(size_t)rand_r(&seed) % length] = (char)rand_r(&seed);
            parse_all(text, length);
        }
    }
}

static void test_text(void **state) {
    (void)state;
    char buffer[12];
    struct map_text text = map_text_in(buffer, sizeof buffer);
    assert_string_equal(buffer, "");
    map_text_add_number(&text, 0, 10);
    map_text_add_number(&text, UINT64_C(0xabc), 16);
    map_text_add_all(&text, "-", "x", NULL);
    assert_string_equal(buffer, "0abc-x");
    map_text_add(&text, "12345");
    assert_false(text.cut);
    map_text_add(&text, "6");
    assert_true(text.cut);
    assert_string_equal(buffer, "0abc-x12345");
    char number[21];
    text = map_text_in(number, sizeof number);
    map_text_add_number(&text, UINT64_MAX, 10);
    assert_string_equal(number, "18446744073709551615");
}

static void test_cmdline(void **state) {
    (void)state;
    static const char *const makes[] = {
        "memmap=4G!12G",
        "quiet memmap=4G!12G",
        "memmap=100M@2G,100M#3G,1G!1024G quiet",
        "memmap=64K$0x18690000 memmap=4G!12G",
        "memmap=4G%12G-1+12",
        "memmap=4G%12G+0xc",
    };
    static const char *const makes_none[] = {
        "",
        "!",
        "memmap",
        "memmap=",
        "memmap=exactmap",
        "memmap=64K$0x18690000",
        "memmap=4G%12G-1+2",
        "memmap=4G%12G-12",
        "memmap=4G+12",
        "nomemmap=4G!12G",
        "memmap =4G!12G",
        "init=/bin/sh!1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(makes); i++)
        assert_true(map_cmdline_makes_regions(span(makes[i])));
    for (size_t i = 0; i < ARRAY_LENGTH(makes_none); i++)
        assert_false(map_cmdline_makes_regions(span(makes_none[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmdline),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_entry_without_name),
        cmocka_unit_test(test_entry_refuses),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_mount),
        cmocka_unit_test(test_mount_with_empty_source),
        cmocka_unit_test(test_mount_refuses),
        cmocka_unit_test(test_point_covers),
        cmocka_unit_test(test_vm_flags),
        cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
