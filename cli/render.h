// What people and scripts read: jobs as tables, lines and JSON. Pure text, no terminal.
//
// Errors   None: control characters in outside text show as '?', and in JSON a number that is not
//          finite is null and a byte that is not UTF-8 is U+FFFD.
// Units    Times in seconds, rates per second, bytes in bytes (JSON) or scaled (text).
#ifndef PACELINE_CLI_RENDER_H_
#define PACELINE_CLI_RENDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/control.pb.h"

namespace paceline::cli {

// "running", "finished", ...
std::string StateName(v1::JobState state);
// Whether samples have been trained on: without, there is no training loss.
bool HasTrained(const v1::JobStatus& job);

// "sync", "sync(no help)", "quorum(3, grace 3)", "quorum(3, grace 3, carry 0.5)", "ssp(3)",
// "async", "async(max_staleness 8, damp)".
std::string ConsistencyName(const v1::ConsistencySpec& consistency);

// "1 worker", "2 workers".
std::string Counted(uint64_t count, const std::string& noun);
// Powers of 1000: "950 B", "12.3 MB".
std::string Bytes(double bytes);
// "3.2 s", "43 s", "2 min 05 s", "1 h 02 min", "3 d 04 h"; "?" for what is no duration.
std::string Duration(double seconds);
// `text` with '?' for every control character, so that it stays on its line and off the terminal's
// controls.
std::string Printable(const std::string& text);
// Left-aligned columns, two spaces apart, a line for each row.
std::string Table(const std::vector<std::vector<std::string>>& rows);

// How many processes and copies the job is to have now: its spec's fleet as `scale` has changed it.
const v1::FleetSpec& FleetOf(const v1::JobStatus& job);
// The newest checkpoint that is whole; null: none.
const v1::CheckpointStatus* NewestWhole(const v1::JobStatus& job);
// "checkpoint 12 of digits-7 is whole: version 480, 12.3 MB in 0.4 s, in /shared/digits-7".
std::string CheckpointLine(const std::string& job, const v1::CheckpointStatus& checkpoint);

// "w3 takes 4.8 x the others' median per sample (compute 71 ms, ...)"; empty: nobody stands out.
std::string StragglerText(const v1::JobStatus& job);
// Everything `paceline status JOB` shows, at the time `now_unix_s`.
std::string JobText(const v1::JobStatus& job, double now_unix_s);
// One line a job; a sentence if there is none.
std::string JobListText(const v1::ListJobsReply& jobs);
// Servers and workers.
std::string FleetText(const v1::FleetStatus& fleet);
// What `paceline run` and `paceline wait` print at the end; with the folder of the run's files, if
// there is one.
std::string ResultText(const v1::JobStatus& job, const std::string& run_directory);
// "12:03:04.567 worker-joined worker-1: ..."
std::string EventLine(const v1::Event& event);

// A message as JSON with the proto's field names, on one line.
std::string MessageJson(const google::protobuf::Message& message);
// Leaves the newest `newest` evaluations and, in front of them, the best: that of the smallest
// loss.
void KeepEvaluations(int newest, v1::JobStatus* job);
// summary.json: flat, for scripts (docs/cli.md lists the keys).
std::string SummaryJson(const v1::JobStatus& job);
// Of a run that ended before its job did: with another word than the job's state, and why.
std::string SummaryJson(const v1::JobStatus& job, const std::string& state,
                        const std::string& reason);
// One line of metrics.jsonl, with `evaluations`: those made since the line before.
std::string MetricsJson(const v1::JobStatus& job, double unix_s,
                        const std::vector<v1::Evaluation>& evaluations);
// One line of events.jsonl.
std::string EventJson(const v1::Event& event);

}  // namespace paceline::cli

#endif  // PACELINE_CLI_RENDER_H_
