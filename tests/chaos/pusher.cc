// A client with bare parameters that pushes what tests/chaos/slots.h says, one push after the other,
// and writes down all that it does and is told:
//
//   pusher COORDINATOR JOB ID FIRST_CLIENT FILE
//
// Whenever its lease is over it joins anew, as the next client from FIRST_CLIENT on. It goes on until
// it is killed; it ends, with status 1, when it is told or reads what cannot be.
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "client/parameter_client.h"
#include "client/session.h"
#include "common/base/clock.h"
#include "common/base/descriptor.h"
#include "tests/chaos/record.h"
#include "tests/chaos/slots.h"

namespace paceline::chaos {
namespace {

using history::Operation;

constexpr absl::Duration kBetweenPushes = absl::Milliseconds(10);
constexpr absl::Duration kBetweenJoins = absl::Milliseconds(200);

class Pusher {
 public:
  Pusher(char** argv)
      : options_{argv[1], argv[2], argv[3]},
        client_(static_cast<uint32_t>(std::atoi(argv[4]))),
        file_(::open(argv[5], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    options_.on_call = [this](const CallTrace& trace) { OnCall(trace); };
  }

  int Run() {
    while (true) {
      const absl::Status status = PushAsOneClient();
      const bool is_expected = absl::IsCancelled(status) || absl::IsUnavailable(status) ||
                               absl::IsDeadlineExceeded(status);
      if (!is_expected) {
        std::fprintf(stderr, "error: %s\n", status.ToString().c_str());
        return 1;
      }
      ++client_;
      absl::SleepFor(kBetweenJoins);
    }
  }

 private:
  // Until the lease is over.
  absl::Status PushAsOneClient() {
    auto client = ParameterClient::Join(options_);
    if (!client.ok()) return client.status();
    clocks_.clear();
    auto answer = (*client)->Pull();
    for (push_ = 0; answer.ok(); ++push_) {
      Operation begin;
      begin.begin = begin.end = SteadyNow();
      begin.client = client_;
      begin.push = push_;
      Write(begin);
      answer = (*client)->Exchange(PushGradient((*client)->elements(), client_, push_));
      absl::SleepFor(kBetweenPushes);
    }
    return answer.status();
  }

  void OnCall(const CallTrace& trace) {
    if (!trace.result.status.ok()) return;
    const bool is_push = trace.call.method == Method::kExchange;
    const v1::PartitionKey& key = is_push ? trace.call.push.key() : trace.call.pull.key();
    Operation operation;
    operation.begin = trace.begin;
    operation.end = trace.end;
    operation.answerer = {trace.call.address, key.partition(), key.term(),
                          trace.result.header.version()};
    if (is_push) {
      operation.kind = Operation::kAcknowledge;
      operation.client = client_;
      // An answer may come after another one has ended its push.
      operation.push = clocks_.emplace(trace.call.push.clock(), push_).first->second;
      operation.is_duplicate = trace.result.header.duplicate();
      Write(operation);
    }
    if (trace.result.parameters != nullptr) WriteRead(std::move(operation), trace.result);
  }

  void WriteRead(Operation operation, const CallResult& result) {
    const auto seen = PushesIn(result.parameters->floats());
    if (!seen.has_value()) {
      std::fprintf(stderr, "error: no first few pushes of each client make what was read: %s\n",
                   operation.answerer.Show().c_str());
      std::_Exit(1);
    }
    operation.kind = Operation::kRead;
    operation.seen = *seen;
    Write(operation);
  }

  void Write(const Operation& operation) {
    if (!WriteAll(file_.number(), ToLine(operation) + "\n")) std::abort();
  }

  ParameterClientOptions options_;
  uint32_t client_;
  uint64_t push_ = 0;
  const Descriptor file_;
  // Of this client: which push a clock was.
  std::map<uint64_t, uint64_t> clocks_;
};

}  // namespace
}  // namespace paceline::chaos

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: pusher COORDINATOR JOB ID FIRST_CLIENT FILE\n");
    return 2;
  }
  return paceline::chaos::Pusher(argv).Run();
}
