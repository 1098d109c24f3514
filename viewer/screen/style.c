/* SPDX-License-Identifier: MIT */
/* Colours are the eight every terminal has, on its own background, so that
 * light and dark schemes both work. */
#include "viewer/screen/style.h"

enum { BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE, OWN = -1 };

static const struct {
	struct look color, mono;
} looks[STYLE_COUNT] = {
	[STYLE_NORMAL] = { { OWN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_TITLE] = { { BLACK, CYAN, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_CRUMB] = { { BLACK, CYAN, LOOK_BOLD },
			  { OWN, OWN, LOOK_REVERSE | LOOK_BOLD } },
	[STYLE_TAB] = { { OWN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_TAB_ON] = { { CYAN, OWN, LOOK_BOLD | LOOK_UNDERLINE },
			   { OWN, OWN, LOOK_BOLD | LOOK_UNDERLINE } },
	[STYLE_HEAD] = { { BLACK, GREEN, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_HEAD_SORT] = { { BLACK, CYAN, LOOK_BOLD },
			      { OWN, OWN, LOOK_REVERSE | LOOK_BOLD } },
	[STYLE_CURSOR] = { { BLACK, CYAN, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_DIM] = { { OWN, OWN, LOOK_DIM }, { OWN, OWN, LOOK_DIM } },
	[STYLE_STRONG] = { { OWN, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_KEY] = { { OWN, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_KEY_TEXT] = { { BLACK, CYAN, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_STATUS] = { { OWN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_PROMPT] = { { OWN, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_ERROR] = { { WHITE, RED, LOOK_BOLD },
			  { OWN, OWN, LOOK_REVERSE | LOOK_BOLD } },
	[STYLE_WARN] = { { YELLOW, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_MATCH] = { { BLACK, YELLOW, 0 },
			  { OWN, OWN, LOOK_UNDERLINE | LOOK_BOLD } },
	[STYLE_TYPE] = { { OWN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_VALUE] = { { GREEN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_LABEL] = { { CYAN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_ROOT] = { { MAGENTA, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_BAR] = { { GREEN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_MORE] = { { RED, OWN, LOOK_BOLD }, { OWN, OWN, LOOK_BOLD } },
	[STYLE_LESS] = { { GREEN, OWN, 0 }, { OWN, OWN, 0 } },
	[STYLE_PART1] = { { BLACK, GREEN, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_PART2] = { { BLACK, CYAN, 0 }, { OWN, OWN, LOOK_UNDERLINE } },
	[STYLE_PART3] = { { BLACK, YELLOW, 0 }, { OWN, OWN, LOOK_REVERSE | LOOK_BOLD } },
	[STYLE_PART4] = { { WHITE, BLUE, 0 }, { OWN, OWN, LOOK_UNDERLINE | LOOK_BOLD } },
	[STYLE_PART5] = { { BLACK, MAGENTA, 0 }, { OWN, OWN, LOOK_REVERSE } },
	[STYLE_PART6] = { { BLACK, WHITE, 0 }, { OWN, OWN, LOOK_UNDERLINE } },
	[STYLE_PART7] = { { WHITE, RED, 0 }, { OWN, OWN, LOOK_REVERSE | LOOK_BOLD } },
};

struct look style_look(enum style style, bool selected, bool color)
{
	if (selected)
		style = STYLE_CURSOR;
	return color ? looks[style].color : looks[style].mono;
}
