// What follows from a job's state and spec, wherever jobs are looked at.
//
// Threads  Pure functions.
#ifndef PACELINE_COMMON_JOB_JOB_STATE_H_
#define PACELINE_COMMON_JOB_JOB_STATE_H_

#include "proto/control.pb.h"
#include "proto/job.pb.h"

namespace paceline {

// Whether nothing becomes of the job any more.
inline bool HasEnded(v1::JobState state) {
  return state == v1::FINISHED || state == v1::FAILED || state == v1::CANCELLED;
}

// Whether training measures an accuracy: where samples have classes.
inline bool Classifies(const v1::JobSpec& spec) {
  return spec.model().loss() != v1::ModelSpec::MSE && spec.model().parameters().empty();
}

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_JOB_STATE_H_
