# SPDX-License-Identifier: BSD-2-Clause

# nvrtl_add_checked_test(NAME <name> COMMAND <command> [<argument>...]
#                        [OPTIONS <option of nvrtl run>...] [WORKING_DIRECTORY <folder>])
# A test that runs the command under the verifier and fails when the command fails or the verifier
# finds an error. The command may be the name of an executable target.
function(nvrtl_add_checked_test)
    cmake_parse_arguments(PARSE_ARGV 0 checked "" "NAME;WORKING_DIRECTORY" "COMMAND;OPTIONS")
    if(NOT checked_NAME OR NOT checked_COMMAND OR checked_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "nvrtl_add_checked_test(NAME <name> COMMAND <command> ...)")
    endif()
    if(NOT TARGET nvrtl::check)
        message(FATAL_ERROR "this nvrtl was built without its command (NVRTL_TOOLS)")
    endif()
    list(POP_FRONT checked_COMMAND program)
    if(TARGET ${program})
        set(program $<TARGET_FILE:${program}>)
    endif()
    if(NOT checked_WORKING_DIRECTORY)
        set(checked_WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    endif()
    add_test(NAME ${checked_NAME}
             COMMAND $<TARGET_FILE:nvrtl::check> run ${checked_OPTIONS} -- ${program}
                     ${checked_COMMAND}
             WORKING_DIRECTORY ${checked_WORKING_DIRECTORY})
endfunction()
