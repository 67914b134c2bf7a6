# SPDX-License-Identifier: BSD-2-Clause
# How every file of this project is compiled; carried by the target nvrtl_compile, never by global
# flags, so that a project which includes this one keeps its own.

if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    message(FATAL_ERROR "nvrtl builds on 64-bit Linux for now")
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

add_library(nvrtl_compile INTERFACE)
target_compile_definitions(nvrtl_compile INTERFACE _GNU_SOURCE)
target_compile_options(
    nvrtl_compile
    INTERFACE -Wall
              -Wextra
              -Wshadow
              -Wconversion
              -Wstrict-prototypes
              -Wmissing-prototypes
              $<$<BOOL:${NVRTL_WERROR}>:-Werror>)
target_include_directories(nvrtl_compile INTERFACE ${PROJECT_SOURCE_DIR}/src
                                                   ${PROJECT_SOURCE_DIR}/include)

if(NVRTL_SANITIZE)
    target_compile_options(
        nvrtl_compile INTERFACE -fsanitize=${NVRTL_SANITIZE} -fno-sanitize-recover=all
                                -fno-omit-frame-pointer)
    target_link_options(nvrtl_compile INTERFACE -fsanitize=${NVRTL_SANITIZE})
    if(NVRTL_SANITIZE MATCHES thread AND CMAKE_C_COMPILER_ID STREQUAL GNU)
        # It says that it does not follow fences: copies that are checked afterwards have them.
        target_compile_options(nvrtl_compile INTERFACE -Wno-tsan)
    endif()
endif()
if(NVRTL_FUZZ)
    # What libFuzzer steers by; its main comes with the fuzz targets alone.
    target_compile_options(nvrtl_compile INTERFACE -fsanitize=fuzzer-no-link)
    target_compile_definitions(nvrtl_compile INTERFACE ARENA_PAGE_BUCKETS=1024)
endif()
if(NVRTL_COVERAGE)
    # Without atomic updates threads and signal handlers lose counts.
    target_compile_options(nvrtl_compile INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(nvrtl_compile INTERFACE --coverage)
endif()
