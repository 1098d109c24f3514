# What is installed beside the programs: completions, documents, the link to the agent.
#
# Included by CMakeLists.txt.  The completions are made of what the programs say of
# themselves with --help, which they print from their tables of options.
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
	if(\"\$ENV{DESTDIR}\" STREQUAL \"\")
		execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE)
		if(user STREQUAL 0)
			execute_process(COMMAND ldconfig)
		else()
			message(STATUS \"As root run ldconfig, so that LD_PRELOAD=libpymemagent.so is found\")
		endif()
	endif()")
