#include "cli/interrupt.h"

#include <signal.h>

namespace paceline::cli {
namespace {

// A signal handler can reach nothing but a global.
volatile sig_atomic_t interrupts = 0;

void OnSignal(int number) {
  interrupts = interrupts + 1;
  if (interrupts >= 2) ::signal(number, SIG_DFL);
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool Interrupted() { return interrupts > 0; }

}  // namespace paceline::cli
