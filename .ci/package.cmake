# What is installed beside the programs: completions, documents, the link to the agent;
# and the Debian package made of it all (`cpack` in the folder of the build).
#
# Included by CMakeLists.txt.  The completions are made of what the programs say of
# themselves with --help, which they print from their tables of options.  .ci/packages
# makes every package.
set(PYMEM_CI ${PROJECT_SOURCE_DIR}/.ci)
set(PYMEM_COMPLETIONS ${PROJECT_BINARY_DIR}/completions)
set(PYMEM_SHELLS bash zsh fish)

if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
	file(MAKE_DIRECTORY ${PYMEM_COMPLETIONS})
	foreach(program pymem-load pymem-view)
		set(made)
		foreach(shell ${PYMEM_SHELLS})
			list(APPEND made ${PYMEM_COMPLETIONS}/${program}.${shell})
		endforeach()
		add_custom_command(OUTPUT ${made}
			COMMAND sh ${PYMEM_CI}/completions ${program} ${PYMEM_COMPLETIONS}
				${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${program}>
			DEPENDS ${program} ${PYMEM_CI}/completions VERBATIM)
		list(APPEND all ${made})
		install(FILES ${PYMEM_COMPLETIONS}/${program}.bash RENAME ${program}
			DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
		install(FILES ${PYMEM_COMPLETIONS}/${program}.zsh RENAME _${program}
			DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
		install(FILES ${PYMEM_COMPLETIONS}/${program}.fish RENAME ${program}.fish
			DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
	endforeach()
	add_custom_target(completions ALL DEPENDS ${all})
endif()

install(FILES README.md formats/SNAPSHOT.md agent/PROBES.md .github/CHANGELOG.md
	DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(CODE "
	set(lib \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")
	file(CREATE_LINK pymem/libpymemagent.so \"\${lib}/libpymemagent.so\" SYMBOLIC)
	if(\"\$ENV{DESTDIR}\" STREQUAL \"\" AND NOT CMAKE_INSTALL_PREFIX MATCHES \"/_CPack_Packages/\")
		execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE)
		if(user STREQUAL 0)
			execute_process(COMMAND ldconfig)
		else()
			message(STATUS \"As root run ldconfig, so that LD_PRELOAD=libpymemagent.so is found\")
		endif()
	endif()")

# ---- the Debian package ----

set(PYMEM_PACKAGER "The pymem authors <pymem@example.org>" CACHE STRING
	"name and address of who makes the package")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pymem)
set(CPACK_PACKAGE_VENDOR "The pymem authors")
set(CPACK_PACKAGE_CONTACT "${PYMEM_PACKAGER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "heap analyser for running CPython processes")
set(CPACK_PACKAGE_DESCRIPTION "Shows what fills the memory of a running Python process, what holds it alive
and what grew, without stopping, restarting or changing the process. Nothing
needs to be installed in the process that is looked at.
.
pymem-load captures a process, pymem-view shows and compares snapshots,
libpymemagent.so takes them by itself in programs that preload it.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PROJECT_CONFIG_FILE ${PYMEM_CI}/cpack.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${PYMEM_CI}/debian.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS graphviz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_PYMEM_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_PYMEM_PREFIX ${CMAKE_INSTALL_PREFIX})
include(CPack)
