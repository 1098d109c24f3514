/* SPDX-License-Identifier: MIT */
/*
 * probes_builtin - the probes that come with the agent; agent/PROBES.md explains
 * them.  Offsets are those of 64-bit builds.
 */
#include "agent/heap/extension/probes.h"

const char probes_builtin[] =
	/* Pillow: ImagingCore { PyObject; Imaging image }, libImaging/Imaging.h: struct
 * ImagingMemoryInstance { char mode[8]; int type, depth, bands, xsize, ysize;
 * palette; image8; image32; char **image; block; blocks; int pixelsize, linesize }. */
	"probe pillow.image\n"
	"type = ImagingCore | PIL._imaging.ImagingCore | builtins.ImagingCore\n"
	"when = [obj + 16]\n"
	"data = [[[obj + 16] + 56]]\n"
	"length = [[obj + 16] + 84]:i32 * [[obj + 16] + 24]:i32\n"
	"\n"
	/* lxml: _Document { PyObject; vtab; int; str; xmlDoc *_c_doc }; libxml2's nodes
	 * are linked by children (24), next (48), content (80) and properties (88), each
	 * malloc'ed (a text of up to 7 bytes lies in its node, names and short values in
	 * a dictionary). */
	"probe lxml.document\n"
	"type = lxml.etree._Document\n"
	"when = [obj + 40]\n"
	"data = [obj + 40]\n"
	"length = chunks([obj + 40], 24, 48, 80, 88)\n";
