// PACELINE_CHECK: a broken invariant of ours ends the process; never used on bytes from outside.
#ifndef PACELINE_COMMON_BASE_CHECK_H_
#define PACELINE_COMMON_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define PACELINE_CHECK(condition)                                                       \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                     \
    }                                                                                   \
  } while (false)

#endif  // PACELINE_COMMON_BASE_CHECK_H_
