/* plant: planted bugs. The build option -Dplant=N puts bug N of tests/plants.md back into the code,
 * so that a test can show that it is found; 0, the default, plants none and costs nothing. A test
 * program that is compiled with TAKT_PLANT_RUNTIME chooses by the variable takt_plant instead. */
#pragma once

#ifdef TAKT_PLANT_RUNTIME
extern int takt_plant;
#undef TAKT_PLANT
#define TAKT_PLANT takt_plant
#elif !defined(TAKT_PLANT)
#define TAKT_PLANT 0
#endif

#define PLANTED(n) __builtin_expect(TAKT_PLANT == (n), 0)
