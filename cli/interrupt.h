// Ctrl-C and SIGTERM as a question the main loop asks, instead of sudden death.
#ifndef PACELINE_CLI_INTERRUPT_H_
#define PACELINE_CLI_INTERRUPT_H_

namespace paceline::cli {

// From now on the two signals only set a flag; the third time, one ends the process as usual.
void CatchInterrupts();
// Whether one has come.
bool Interrupted();

}  // namespace paceline::cli

#endif  // PACELINE_CLI_INTERRUPT_H_
