/* What the program says about itself on stdout. */
#pragma once

/* -V: versions, and what the running kernel offers, found by asking it. */
void about_version(void);

/* -h */
void about_usage(void);
