// What became of a run: the first promise that was broken.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_VERDICT_H_
#define PACELINE_TESTS_SIM_VERDICT_H_

#include <string>

namespace paceline::sim {

class Verdict {
 public:
  // Empty: none.
  const std::string& failure() const { return failure_; }
  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

 private:
  std::string failure_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_VERDICT_H_
