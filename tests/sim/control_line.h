// A caller's way to the coordinator, whichever process that is: as client/control_client.
//
// Threads  One thread at a time.
#ifndef PACELINE_TESTS_SIM_CONTROL_LINE_H_
#define PACELINE_TESTS_SIM_CONTROL_LINE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/net/coordinator_choice.h"
#include "tests/sim/control_host.h"

namespace paceline::sim {

class ControlLine {
 public:
  // `addresses` as --join takes them; `from` and `hosts` outlive the object, and that every call.
  ControlLine(Node* from, const ControlHosts* hosts, const std::string& addresses)
      : from_(from), hosts_(*hosts), choice_(addresses) {}

  // `done` gets null without an answer; OK comes with one.
  template <typename Request, typename Answer>
  void Call(absl::Duration timeout,
            void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
            const Request& request,
            std::function<void(const absl::Status&, const Answer*)> done) {
    Try<Request, Answer>(from_->clock() + timeout, {}, timeout, method, request, std::move(done));
  }

 private:
  // What the attempts of one call have met.
  struct Search {
    size_t attempts = 0;
    bool met_fleet = false;  // A process that knows of a coordinator, or will.
  };

  template <typename Request, typename Answer>
  void Try(absl::Time end, Search search, absl::Duration timeout,
           void (Coordinator::*method)(absl::Time, uint64_t, const Request&),
           const Request& request,
           std::function<void(const absl::Status&, const Answer*)> done) {
    const std::string asked = choice_.current();
    hosts_.at(asked)->Call<Request>(
        from_, timeout, method, request,
        [=](const absl::Status& status, const ControlAnswer* answer) mutable {
          if (status.ok()) return done(status, std::get_if<Answer>(&answer->reply.message));
          const absl::Duration pause = Learn(asked, status, answer, &search);
          if (from_->clock() + pause >= end) return done(status, nullptr);
          from_->After(pause, [=] {
            Try<Request, Answer>(end, search, end - from_->clock(), method, request, done);
          });
        });
  }

  // Turns to another process if that one is no coordinator. How long to wait before the next
  // attempt; forever if there is none.
  absl::Duration Learn(const std::string& asked, const absl::Status& status,
                       const ControlAnswer* answer, Search* search);

  Node* const from_;
  const ControlHosts& hosts_;
  CoordinatorChoice choice_;
};

}  // namespace paceline::sim

#endif  // PACELINE_TESTS_SIM_CONTROL_LINE_H_
