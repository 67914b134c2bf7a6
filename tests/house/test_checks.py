#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each check of the house complains about a planted violation, and not about what is right."""

import tempfile
import unittest
from pathlib import Path

import check_format
import check_limits
import check_rooms
import check_shell
import check_spdx

SPDX = "SPDX-License-Identifier: BSD-2-Clause"
C = f"/* {SPDX} */\n"
FORMAT = Path(__file__).parents[2] / ".clang-format"


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("src/rooms.txt", f"# {SPDX}\nlow:\nhigh: low\napi: high <nvrtl.h>\n")
        self.write("src/low/low.h", C)
        self.write("src/high/high.h", C)
        self.write("src/high/high.c", C + '#include "high/high.h"\n#include "low/low.h"\n')
        self.write("src/api/api.c", C + '#include <nvrtl.h>\n\n#include "high/high.h"\n')
        self.write("include/nvrtl.h", C)
        self.write(".clang-format", FORMAT.read_text())

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def finds(self, module, *words):
        """module has exactly one complaint, which holds the words."""
        complaints = module.check(self.root)
        self.assertEqual(len(complaints), 1, complaints)
        for word in words:
            self.assertIn(word, complaints[0])

    def test_nothing_planted(self):
        for module in (check_rooms, check_spdx, check_limits, check_format, check_shell):
            self.assertEqual(module.check(self.root), [], module.__name__)

    def test_room_includes_a_later_one(self):
        self.write("src/low/low.c", C + '#include "high/high.h"\n')
        self.finds(check_rooms, "src/low/low.c:2", "low may not include high/high.h")

    def test_room_includes_one_that_is_not_listed_for_it(self):
        self.write("src/api/low.c", C + '# include "low/low.h"\n')
        self.finds(check_rooms, "src/api/low.c:2", "api may not include low/low.h")

    def test_room_below_the_api_includes_the_public_header(self):
        self.write("src/high/use.c", C + "#include <nvrtl.h>\n")
        self.finds(check_rooms, "high may not include <nvrtl.h>")

    def test_include_by_a_path_that_hides_the_room(self):
        self.write("src/low/low.c", C + '#include "low/../high/high.h"\n')
        self.finds(check_rooms, "no path of a header")

    def test_include_in_brackets(self):
        self.write("src/low/low.c", C + "#include <high/high.h>\n")
        self.finds(check_rooms, "brackets")

    def test_include_without_its_room(self):
        self.write("src/low/low.c", C + '#include "low.h"\n')
        self.finds(check_rooms, "no path of a header")

    def test_folder_that_is_not_listed(self):
        self.write("src/attic/attic.h", C)
        self.finds(check_rooms, "src/attic is not in rooms.txt")

    def test_file_in_no_room(self):
        self.write("src/stray.h", C)
        self.finds(check_rooms, "lies in no room")

    def test_table_with_a_circle(self):
        self.write("src/rooms.txt", f"# {SPDX}\nlow: high\nhigh: low\napi: high <nvrtl.h>\n")
        self.finds(check_rooms, "low names high, which is not above it")

    def test_listed_room_without_a_folder(self):
        self.write("src/rooms.txt", f"# {SPDX}\nlow:\nhigh: low\napi: high <nvrtl.h>\nattic:\n")
        self.finds(check_rooms, "rooms.txt lists attic")

    def test_no_licence(self):
        self.write("src/low/low.c", "int low;\n")
        self.finds(check_spdx, "src/low/low.c")

    def test_licence_below_the_interpreter_line_only(self):
        self.write("tools/one.py", f"#!/usr/bin/env python3\n# {SPDX}\n")
        self.write("tools/two.py", f"#!/usr/bin/env python3\n\n# {SPDX}\n")
        self.finds(check_spdx, "tools/two.py")

    def test_long_line(self):
        self.write("src/low/low.c", C + "/* " + "x" * 95 + " */\n")
        self.finds(check_limits, "src/low/low.c:2", "101 columns")

    def test_long_file(self):
        self.write("tests/unit/test_low.c", C + "\n" * 500)
        self.finds(check_limits, "501 lines")

    def test_long_function(self):
        body = "    one();\n"
        self.write("src/low/fits.c", C + f"int fits(void) {{\n{body * 58}}}\n")
        self.write("src/low/table.c", C + f"int table[] = {{\n{body * 99}}};\n")
        head = "int too_long(int a,\n             int b)"
        self.write("src/low/long.c", C + f"{head} {{\n{body * 58}}}\n")
        self.finds(check_limits, "src/low/long.c:2", "too_long has 61 lines")

    def test_layout(self):
        self.write("src/low/low.c", C + "int  low;\n")
        self.assertIn("src/low/low.c:2", check_format.check(self.root)[0])

    def test_shell(self):
        self.write("tools/run", "#!/usr/bin/env bash\nrm -rf $1/*\n")
        self.assertTrue(check_shell.check(self.root))


if __name__ == "__main__":
    unittest.main()
