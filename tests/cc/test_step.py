#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The assembler step: what it makes of assembly that people write, and what it leaves alone."""

import re
import unittest

import driver

HOOK = "__nvrtl_callout"


class StepTest(driver.Case):
    def assemble(self, text, *options, name="code.s"):
        """The disassembly of the object, and its marks."""
        self.write(name, text)
        self.cc(*options, "-c", name, "-o", "code.o")
        code = driver.run(["objdump", "-dr", "--no-show-raw-insn", self.folder / "code.o"]).stdout
        return code, self.opaque("code.o")

    def words(self, text, *options, **named):
        """The words of the call-outs, as (kind, detail, shape, unit, length), and the marks."""
        code, marks = self.assemble(text, *options, **named)
        values = [int(value, 16) for value in re.findall(r"movq +\$0x([0-9a-f]+),\(%rsp\)", code)]
        self.assertEqual(len(values), code.count(HOOK))
        return [(value & 15, value >> 4 & 15, value >> 8 & 15, value >> 12 & 15, value >> 16)
                for value in values], marks

    def test_prefixes_stay_with_their_instruction(self):
        for text in ("lock; addl $1, (%rdi)", "lock\n addl $1, (%rdi)", "lock addl $1, (%rdi)",
                     ".byte 0xf0; addl $1, (%rdi)", "lock; lock addl $1, (%rdi)"):
            code, marks = self.assemble(f"f:\n {text}\n ret\n")
            self.assertRegex(code.replace("lock lock", "lock"),
                             r"lea +0x98\(%rsp\),%rsp\n.*lock addl", text)
            self.assertEqual(marks, [])
            self.assertEqual(self.words(f"f:\n {text}\n ret\n")[0], [(3, 0, 1, 0, 4)], text)

    def test_one_line_holds_many(self):
        words, _ = self.words('f: movb $59, (%rdi); movb $\';\', 1(%rdi) # ; movl %eax, (%rdi)\n'
                              ' .section .rodata; .ascii "; movl %eax, (%rdi) #"\n'
                              " .text; /* movl %eax, (%rdi) */ movw %ax, (%rsi)\n")
        self.assertEqual(words, [(6, 0, 1, 0, 1), (6, 0, 1, 0, 1), (6, 0, 1, 0, 2)])

    def test_comments(self):
        words, marks = self.words("f: movb $1, (%rdi) /* movl %eax, (%rdi)\n */ /* ; */\n"
                                  " /* ; */ movw $1, (%rdi) /* ; */; sfence # ; mfence\n"
                                  " movl $1, /* where */ (%rdi)\n")
        self.assertEqual(words, [(6, 0, 1, 0, 1), (6, 0, 1, 0, 2), (2, 1, 0, 0, 0)])
        self.assertEqual(marks, ["code.s:4: a comment within an instruction"])

    def test_what_only_reads(self):
        words, marks = self.words("f: cmpl $1, (%rdi)\n testb $1, (%rdi)\n btl $1, (%rdi)\n"
                                  " pushq (%rdi)\n jmp *(%rdi)\n call *(%rdi)\n mulq (%rdi)\n"
                                  " fldt (%rdi)\n prefetchw (%rdi)\n ldmxcsr (%rdi)\n"
                                  " nopw (%rdi)\n movl (%rdi), %eax\n movsbl (%rdi), %eax\n"
                                  " jne f\n call f@PLT\n comisd (%rdi), %xmm0\n leaq (%rdi), %rax\n"
                                  " movzwl (%rdi), %eax\n movsd (%rdi), %xmm1\n fadds (%rdi)\n")
        self.assertEqual((words, marks), ([], []))

    def test_addresses(self):
        """The operand of the call-out is that of the instruction, whatever counts from rsp."""
        code, _ = self.assemble("f:\n movnti %eax, -8(%rsp)\n movnti %eax, (%rsp,%rcx,4)\n"
                                " movnti %eax, (4+4)*2(%rsp)\n"
                                " movnti %eax, other+4(%rip)\n movnti %eax, %es:8(%rdi,%rsi,2)\n"
                                " movnti %eax, %fs:0\n movnti %eax, (%edi)\n")
        found = re.findall(r"lea +([^\n]*),%rdi", code)
        self.assertEqual([text.split()[0] for text in found],
                         ["0x90(%rsp)", "0x98(%rsp,%rcx,4)", "0xa8(%rsp)", "0x0(%rip)",
                          "0x8(%rdi,%rsi,2)", "(%edi)"])
        self.assertEqual(code.count(HOOK), 7)

    def test_macros(self):
        words, marks = self.words(".macro put what, where\n movl \\what, \\where\n .endm\n"
                                  ".macro twice\n sfence\n movl %eax, (%rdi)\n .endm\n"
                                  "f: twice\n twice\n .irp n, 1,2\n movups %xmm\\n, \\n*16(%rdi)\n"
                                  " .endr\n put %eax, (%rdi)\n"
                                  ".macro by base\n sfence\n movl %eax, 8(\\base)\n .endm\n")
        self.assertEqual(words, [(2, 1, 0, 0, 0), (6, 0, 1, 0, 4)] * 2 + [(6, 0, 1, 0, 16)] * 2)
        self.assertEqual(len(marks), 2)
        self.assertRegex(marks[0], r"code\.s:2: a macro's arguments make the instruction")

    def test_intel(self):
        words, marks = self.words(".intel_syntax noprefix\nf: mov DWORD PTR [rdi+rax*4+8], ecx\n"
                                  " mov QWORD PTR f[rip], rcx\n mov [rsp+16], al\n"
                                  " mov eax, DWORD PTR [rdi]\n lock xadd [rdi], rax\n"
                                  " cmp QWORD PTR [rdi], 5\n rep stosq\n movsd [rdi], xmm1\n"
                                  " vmovdqu32 ZMMWORD PTR [rdi]{k1}, zmm2\n")
        self.assertEqual(words, [(6, 0, 1, 0, 4), (6, 0, 1, 0, 8), (3, 0, 1, 0, 8),
                                 (6, 0, 4, 3, 0), (6, 0, 1, 0, 8), (6, 0, 2, 2, 64)])
        self.assertEqual(marks, [])

    def test_bytes(self):
        words, marks = self.words("f: nop\n .byte 0x66; xsaveopt (%rdi)\n"
                                  " .byte 0x66, 0x41, 0x0f, 0xae, 0x74, 0xc3, 0x10\n"
                                  " .byte 0x0f, 0xae, 0xf0\n .byte 0xf3, 0xc3\n"
                                  "table:\n .byte 1, 2\n")
        self.assertEqual(words, [(1, 3, 1, 0, 0), (1, 3, 1, 0, 0), (2, 2, 0, 0, 0)])
        self.assertEqual(marks, [])
        code, _ = self.assemble("f: nop\n .byte 0x66, 0x41, 0x0f, 0xae, 0x74, 0xc3, 0x10\n")
        self.assertRegex(code, r"lea +0x10\(%r11,%rax,8\),%rdi")
        _, marks = self.words("f: nop\n .byte 0x62, 0xf1, 0x7c, 0x48, 0x11, 0x07\n ret\n")
        self.assertRegex(marks[0], r"code\.s:2: bytes in place of an instruction")

    def test_cleared_frames(self):
        """gcc clears large variables of a function so; what is no frame is told of."""
        start = ' .ident "GCC: (x)"\nf: .cfi_startproc\n .cfi_def_cfa_register 6\n'
        for lea, words in (("leaq -96(%rbp), %rdi", []), ("leaq 16(%rsp), %rdi", []),
                           ("leaq 16(%rax), %rdi", [(6, 0, 4, 3, 0)])):
            self.assertEqual(self.words(f"{start} {lea}\n rep stosq\n .cfi_endproc\n"),
                             (words, []))
        self.assertEqual(self.words(f"{start} leaq -96(%rbp), %rdi\n rep stosq\n rep stosq\n"
                                    " .cfi_endproc\n")[0], [(6, 0, 4, 3, 0)])

    def test_unknown_instructions_are_told(self):
        _, marks = self.words("f: xsavec (%rdi)\n")
        self.assertEqual(marks, ["code.s:1: a store of what only the CPU knows: xsavec (%rdi)"])

    def test_code_that_counts_its_bytes_is_left_alone(self):
        text = "f: jmp .+5\n movl %eax, (%rdi)\n movnti %eax, (%rdi)\n ret\n"
        words, marks = self.words(text)
        self.assertEqual(words, [])
        self.assertRegex(marks[0], r"code\.s:1: the code counts its own bytes")

    def test_variables_with_names_of_registers(self):
        """In a program of C nothing forbids them."""
        words, marks = self.words("f: movl 4+sp(%rip), %eax\n movnti %eax, (%rdi)\n"
                                  " leaq di(%rip), %rax\n movl $sp+4, %eax\n ret\n"
                                  ".comm sp,8\n.comm di,8\n")
        self.assertEqual((len(words), marks), (1, []))

    def test_code_that_no_longer_fits_is_left_alone(self):
        store = " movnti %eax, (%rdi)\n"
        words, marks = self.words(f"f:\n{store * 5} loop f\n")
        self.assertEqual(words, [])
        self.assertEqual(marks, ["code.s: the assembler refuses it with call-outs"])

    def test_errors_are_those_of_the_user(self):
        self.write("bad.s", "f:\n movnti %eax, (%rdi)\n nonsense %eax\n")
        result = self.cc("-c", "bad.s", check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"bad\.s:3: Error: no such instruction")
        self.assertEqual(result.stdout.count("Error"), 1)
        self.write("warned.s", "f:\n movnti %eax, (%rdi)\n movb $300, %al\n")
        self.assertRegex(self.cc("-c", "warned.s").stdout, r"warned\.s:3: Warning")

    def test_lines_stay(self):
        """What a debugger says of the instruction, in what people write and in C."""
        self.assemble("f:\n nop\n movnti %eax, (%rdi)\n ret\n", "-g")
        lines = driver.run(["objdump", "-dl", self.folder / "code.o"]).stdout
        self.assertRegex(lines, r"code\.s:3\n[^/]*movnti[^/]*/\S*code\.s:4\n[^/]*ret")
        self.write("c.c", "void f(int *p, int a) {\n  __builtin_ia32_movnti(p, a);\n}\n")
        for compiler in driver.COMPILERS:
            self.cc("-O1", "-c", "c.c", "-o", "code.o", compiler=compiler)
            lines = driver.run(["objdump", "-dl", self.folder / "code.o"]).stdout
            self.assertRegex(lines, r"c\.c:2[^\n]*\n[^/]*lea +-0x98[^/]*movnti")

    def test_unwinding(self):
        """From the call-out through the function, with and without a frame pointer."""
        self.write("unwind.c", '#include "stub.h"\n'
                   "static char memory[64];\n"
                   "void leaf(char *p);\n"
                   "int main(void) { stub_watch(memory, 64); stub_unwind = 1; leaf(memory);\n"
                   "  return 0; }\n")
        self.write("leaf.s", " .globl leaf\n .type leaf, @function\nleaf: .cfi_startproc\n"
                   " pushq %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_offset %rbx, -16\n"
                   " subq $40, %rsp\n .cfi_adjust_cfa_offset 40\n movnti %eax, (%rdi)\n"
                   " addq $40, %rsp\n .cfi_adjust_cfa_offset -40\n sfence\n popq %rbx\n"
                   " .cfi_adjust_cfa_offset -8\n ret\n .cfi_endproc\n .size leaf, .-leaf\n"
                   ' .section .note.GNU-stack, "", @progbits\n')
        self.cc("-O1", "-rdynamic", "unwind.c", "leaf.s", "-o", "unwind")
        self.assertEqual(self.output("unwind"),
                         "stream 0+4\nunwound to main\nfence/1\nunwound to main\n")

    def test_announcements_at_joined_ends(self):
        """The equal ends of two blocks, which compilers join: announced in each, stored in one."""
        words, _ = self.words(
            ' .ident "GCC: (x)"\nf: testl %esi, %esi\n je .L2\n movq %rbx, %rdi\n'
            " call __tsan_write4@PLT\n jmp .L3\n.L2: leaq 4(%rbx), %rdi\n"
            " call __tsan_write4@PLT\n jmp .L3\n.L4: ret\n"
            ".L3: movl %eax, (%rcx)\n movl %eax, 8(%rcx)\n jmp .L4\n")
        self.assertEqual(words, [(6, 0, 1, 0, 4)])

    def test_labels_of_debug_information(self):
        """Do not part a call-out from its store, where ours shall stand for it."""
        code, _ = self.assemble(
            ' .ident "clang"\nf: movq %rbx, %rdi\n callq __tsan_write4@PLT\n'
            ".Ltmp1:\n movntil %eax, (%rbx)\n retq\n")
        self.assertEqual((code.count(HOOK), code.count("__tsan")), (1, 0))

    def test_announcement_is_for_its_own_operand(self):
        code, _ = self.assemble(
            ' .ident "GCC: (x)"\nf: leaq 8(%rbx), %rdi\n call __tsan_write4@PLT\n'
            " movl %eax, 16(%rbx)\n movl %ecx, 8(%rbx)\n ret\n")
        self.assertEqual(re.findall(r"lea +(\S+),%rdi", code), ["0x8(%rbx)", "0x10(%rbx)"])
        self.assertEqual(code.count(HOOK), 1)

    def test_ranges_are_stored_in_pieces(self):
        """In any order; gcc reads what it copies in between."""
        code, _ = self.assemble(
            ' .ident "GCC: (x)"\nf: leaq 8(%rbx), %rdi\n movl $26, %esi\n'
            " call __tsan_write_range@PLT\n movl $26, %esi\n leaq 8(%r12), %rdi\n"
            " call __tsan_read_range@PLT\n movq %rax, 24(%rbx)\n movdqu %xmm1, 8(%rbx)\n"
            " movw %ax, 32(%rbx)\n movb %al, 34(%rbx)\n ret\n")
        self.assertEqual(re.findall(r"lea +(0x2\S+),%rdi", code), ["0x22(%rbx)"])

    def test_spills_are_not_what_is_announced(self):
        """The address is in another register, and something is saved before the store."""
        code, _ = self.assemble(
            ' .ident "GCC: (x)"\nf: .cfi_startproc\n .cfi_def_cfa_register 6\n movq %r14, %rdi\n'
            " call __tsan_write8@PLT\n movq %rdx, -88(%rbp)\n movq %rax, 24(%rbx)\n ret\n"
            " .cfi_endproc\n")
        self.assertNotIn(HOOK, code)

    def test_lines_of_assembly(self):
        """Are known, though clang does not ask the assembler for them."""
        texts = {"code.s": ("# 40 \"other.c\"\nf:\n movb $1, (%rdi)\n ret\n", r"other\.c +41 "),
                 "code.S": ("#define ONE $1\nf:\n movb ONE, (%rdi)\n ret\n", r"code\.S +3 ")}
        for compiler in driver.COMPILERS:
            for name, (text, expected) in texts.items():
                self.write(name, text)
                self.cc("-c", name, "-o", "code.o", compiler=compiler)
                lines = driver.run(["objdump", "--dwarf=decodedline", self.folder / "code.o"])
                self.assertRegex(lines.stdout, expected, compiler)

    def test_sections_of_llvm(self):
        """Have their types, and no warning; all that clang makes of C++20 holds one."""
        self.write("code.s", '.section ".linker-options","e",@llvm_linker_options\n'
                   '\t.section .deplibs,"MS",@llvm_dependent_libraries,1\n .asciz "m"\n'
                   ' .data\n .asciz ",@llvm_linker_options"\n')
        self.assertEqual(self.cc("-c", "code.s", "-o", "code.o").stdout, "")
        sections = driver.run(["readelf", "-SW", self.folder / "code.o"]).stdout
        self.assertRegex(sections, r"\.linker-options +(LLVM_LINKER_OPTIONS|LOOS\+0xfff4c01) .* E ")
        self.assertRegex(sections, r"\.deplibs +(LLVM_DEPENDENT_LIB|LOOS\+0xfff4c04)")
        self.assertIn(b",@llvm_linker_options\0", (self.folder / "code.o").read_bytes())
        self.write("empty.cc", "int zero;\n")
        self.assertEqual(self.cxx("-std=c++20", "-c", "empty.cc", compiler="clang").stdout, "")

    def test_other_sections(self):
        words, _ = self.words("f: nop\n .data\n .quad 1\n movl %eax, (%rdi)\n .previous\n sfence\n"
                              ' .pushsection .other, "ax"\n mfence\n .popsection\n sfence\n'
                              ' .section .text.unlikely\n sfence\n'
                              ' .section .rodata, "a"\n mfence\n')
        self.assertEqual(sorted(word[:2] for word in words),
                         [(2, 1), (2, 1), (2, 1), (2, 2)])


if __name__ == "__main__":
    unittest.main()
