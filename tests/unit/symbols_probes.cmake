# SPDX-License-Identifier: BSD-2-Clause
# Programs for test_symbols to look into: tests/fixtures/symbols/probe.c, built in the ways that
# differ for who reads symbols. Not with the project's flags: no sanitizer, always optimised.

set(probe_source ${PROJECT_SOURCE_DIR}/tests/fixtures/symbols)
set(probe_folder ${CMAKE_CURRENT_BINARY_DIR}/probes)
set(probe_files)
file(MAKE_DIRECTORY ${probe_folder})

# nvrtl_probe(<name> <command>...) makes probes/<name> by the command, run where the sources are.
function(nvrtl_probe name)
    set(made ${probe_folder}/${name})
    add_custom_command(
        OUTPUT ${made}
        COMMAND ${ARGN} -o ${made}
        DEPENDS ${probe_source}/probe.c ${probe_source}/probe.cc ${probe_source}/probe.h
                ${probe_source}/ring.S
        WORKING_DIRECTORY ${probe_source}
        VERBATIM)
    set(probe_files ${probe_files} ${made} PARENT_SCOPE)
endfunction()

find_program(NVRTL_GCC gcc)
find_program(NVRTL_CLANG clang)
find_program(NVRTL_GXX g++)
find_program(NVRTL_CLANGXX clang++)
find_program(NVRTL_OBJCOPY objcopy REQUIRED)
mark_as_advanced(NVRTL_GCC NVRTL_CLANG NVRTL_GXX NVRTL_CLANGXX NVRTL_OBJCOPY)

foreach(compiler IN LISTS NVRTL_GCC NVRTL_CLANG)
    if(NOT compiler)
        continue()
    endif()
    get_filename_component(name ${compiler} NAME)
    set(build ${compiler} -D_GNU_SOURCE -g -Wl,--build-id)
    nvrtl_probe(probe-dwarf4-${name} ${build} -O2 -gdwarf-4 -fPIE -pie probe.c)
    nvrtl_probe(probe-dwarf5-${name} ${build} -O3 -gdwarf-5 -fPIE -pie probe.c)
    nvrtl_probe(probe-fixed-${name} ${build} -O2 -fno-pie -no-pie probe.c)
    nvrtl_probe(probe-dots-${name} ${build} -O2 ./../symbols/./probe.c)
    # The debug information that is split off goes to the working directory.
    nvrtl_probe(probe-split-${name} ${CMAKE_COMMAND} -E chdir ${probe_folder} ${build} -O2
                -gsplit-dwarf ${probe_source}/probe.c)
    nvrtl_probe(library-${name}.so ${build} -O2 -fPIC -shared -DPROBE_LIBRARY
                -Wl,-Ttext-segment=0x100000 probe.c)
endforeach()
foreach(compiler IN LISTS NVRTL_GXX NVRTL_CLANGXX)
    if(compiler)
        get_filename_component(name ${compiler} NAME)
        nvrtl_probe(classes-${name} ${compiler} -D_GNU_SOURCE -g -O2 probe.cc)
    endif()
endforeach()

nvrtl_probe(ring.so ${CMAKE_C_COMPILER} -shared -nostdlib ring.S)

# The same code with its debug information in another file, without any, and without names at all.
if(NVRTL_GCC)
    set(whole ${probe_folder}/probe-dwarf5-gcc)
else()
    set(whole ${probe_folder}/probe-dwarf5-clang)
endif()
set(apart ${probe_folder}/probe-apart)
add_custom_command(
    OUTPUT ${apart} ${apart}.debug ${probe_folder}/names ${probe_folder}/nothing
    COMMAND ${NVRTL_OBJCOPY} --only-keep-debug ${whole} ${apart}.debug
    COMMAND ${NVRTL_OBJCOPY} --strip-all --add-gnu-debuglink=${apart}.debug ${whole} ${apart}
    COMMAND ${NVRTL_OBJCOPY} --strip-debug ${whole} ${probe_folder}/names
    COMMAND ${NVRTL_OBJCOPY} --strip-all ${whole} ${probe_folder}/nothing
    DEPENDS ${whole}
    VERBATIM)
add_custom_target(symbols_probes DEPENDS ${probe_files} ${apart} ${probe_folder}/names)
add_dependencies(test_symbols symbols_probes)
target_compile_definitions(test_symbols PRIVATE NVRTL_PROBES="${probe_folder}")
