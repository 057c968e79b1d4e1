/* Time, read here and nowhere else: cores are given it as an argument. Any thread. */
#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include <stdint.h>

uint64_t clock_mono_ns(void); /* steady, since an unknown start: for intervals */
uint64_t clock_mono_ms(void);
int64_t clock_wall_ns(void); /* since 1970 UTC; may jump: for stamps only */

#endif
