// RETURN_IF_ERROR and ASSIGN_OR_RETURN: leave the function with the first error.
#ifndef PACELINE_COMMON_BASE_STATUS_MACROS_H_
#define PACELINE_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expression)                  \
  do {                                               \
    ::absl::Status paceline_status_ = (expression);  \
    if (!paceline_status_.ok()) return paceline_status_; \
  } while (false)

#define PACELINE_CONCAT_INNER_(a, b) a##b
#define PACELINE_CONCAT_(a, b) PACELINE_CONCAT_INNER_(a, b)

// ASSIGN_OR_RETURN(auto value, Make()): `value` is declared in, or assigned in, the enclosing scope.
#define ASSIGN_OR_RETURN(target, expression) \
  PACELINE_ASSIGN_OR_RETURN_(PACELINE_CONCAT_(paceline_result_, __LINE__), target, expression)

#define PACELINE_ASSIGN_OR_RETURN_(result, target, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).status();         \
  target = *std::move(result)

#endif  // PACELINE_COMMON_BASE_STATUS_MACROS_H_
