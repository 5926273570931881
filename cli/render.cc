#include "cli/render.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/acks.h"
#include "cli/evaluation_view.h"
#include "common/job/job_state.h"

namespace paceline::cli {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

const v1::Evaluation* LastEvaluation(const v1::JobStatus& job) {
  return job.evaluations().empty() ? nullptr : &*job.evaluations().rbegin();
}

// Sum of the partitions' histograms: bucket b >= 1 holds staleness in [2^(b-1), 2^b).
std::vector<uint64_t> Staleness(const v1::JobStatus& job) {
  std::vector<uint64_t> sum;
  for (const v1::PartitionReport& partition : job.partitions()) {
    sum.resize(std::max<size_t>(sum.size(), partition.staleness_size()));
    for (int b = 0; b < partition.staleness_size(); ++b) sum[b] += partition.staleness(b);
  }
  return sum;
}

std::string BucketName(size_t bucket) {
  if (bucket <= 1) return absl::StrCat(bucket);
  if (bucket >= 64) return absl::StrCat(uint64_t{1} << 63, "-");
  return absl::StrCat(uint64_t{1} << (bucket - 1), "-", (uint64_t{1} << bucket) - 1);
}

std::string Percent(double share) { return absl::StrFormat("%.2f%%", 100 * share); }

// "failed: no such file"; once only where the reason begins with the state ("cancelled: by
// request").
std::string StateAndReason(const v1::JobStatus& job) {
  const std::string state = StateName(job.state());
  if (absl::StartsWith(job.reason(), state)) return job.reason();
  return absl::StrCat(state, job.reason().empty() ? "" : ": ", job.reason());
}

// The reason beside a column that has the state.
std::string BareReason(const v1::JobStatus& job) {
  return std::string(absl::StripPrefix(job.reason(), StateName(job.state()) + ": "));
}

std::string LossText(const v1::JobStatus& job, double loss) {
  return HasTrained(job) ? absl::StrFormat("%.4f", loss) : "-";
}

Json LossJson(const v1::JobStatus& job, double loss) {
  return HasTrained(job) ? Number(loss) : Json(nullptr);
}

Json AccuracyJson(const v1::JobStatus& job) {
  return HasTrained(job) && Classifies(job.spec()) ? Number(job.epoch_accuracy()) : Json(nullptr);
}

Json EvaluationJson(const v1::Evaluation& evaluation) {
  Json json = Json::object();
  json["epoch"] = evaluation.epoch();
  json["loss"] = Number(evaluation.loss());
  AddMetrics(evaluation, &json);
  json["final"] = evaluation.final();
  return json;
}

// The index of the smallest loss, the first of equals; -1 if none is finite.
int BestEvaluation(const v1::JobStatus& job) {
  int best = -1;
  for (int i = 0; i < job.evaluations_size(); ++i) {
    if (!std::isfinite(job.evaluations(i).loss())) continue;
    if (best < 0 || job.evaluations(i).loss() < job.evaluations(best).loss()) best = i;
  }
  return best;
}

std::string Traffic(const v1::JobStatus& job) {
  return absl::StrCat(Bytes(job.bytes_pushed()), " pushed, ", Bytes(job.bytes_pulled()), " pulled");
}

// Columns of a terminal, if every character is one wide.
size_t Width(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

constexpr int kEvaluationsShown = 5;  // The newest; --json has more.

// The shares of a worker's time: computing, waiting, transferring.
std::vector<std::string> TimeSplit(const v1::WorkerJobReport& report) {
  const double all = report.compute_s() + report.wait_s() + report.transfer_s();
  if (!(all > 0)) return {"-", "-", "-"};
  return {Percent(report.compute_s() / all), Percent(report.wait_s() / all),
          Percent(report.transfer_s() / all)};
}

// What is said of the job as a whole.
Rows JobFacts(const v1::JobStatus& job) {
  std::string mode = ConsistencyName(job.segment().consistency());
  if (job.has_pending_consistency()) {
    absl::StrAppend(&mode, " (changing to ", ConsistencyName(job.pending_consistency()), ")");
  }
  if (job.spec().model().parameters_size() > 0) {
    // Bare parameters: what there is to do, and how well it goes, only the programs that push know.
    return {{"job", job.job()},
            {"state", StateAndReason(job)},
            {"consistency", mode},
            {"progress",
             absl::StrFormat("version %d, %s so far", job.version(), Duration(job.wall_s()))}};
  }
  Rows facts = {
      {"job", job.job()},
      {"state", StateAndReason(job)},
      {"consistency", mode},
      {"progress", absl::StrFormat("epoch %d of %d, %d of %d samples, version %d", job.epoch(),
                                   job.spec().train().epochs(), job.samples(), job.samples_total(),
                                   job.version())},
      {"speed",
       absl::StrFormat("%.0f samples/s, %s so far", job.samples_per_s(), Duration(job.wall_s()))},
      {"loss", absl::StrCat(LossText(job, job.recent_loss()), " now, ",
                            LossText(job, job.epoch_loss()), " this epoch")},
      {"traffic", Traffic(job)},
  };
  for (int i = std::max(0, job.evaluations_size() - kEvaluationsShown); i < job.evaluations_size();
       ++i) {
    const v1::Evaluation& e = job.evaluations(i);
    facts.push_back({e.final() ? "final eval" : "eval",
                     absl::StrFormat("epoch %d: loss %.4f", e.epoch(), e.loss()) +
                         (e.has_accuracy() ? ", accuracy " + Percent(e.accuracy()) : "")});
  }
  return facts;
}

// As StragglerText has it; null: nobody stands out.
Json StragglerJson(const v1::JobStatus& job) {
  if (!job.has_straggler()) return nullptr;
  Json json = Json::object();
  json["worker"] = job.straggler().worker().id();
  json["times_median"] = Number(job.straggler().times_median());
  json["limit"] = job.straggler().limit();
  json["compute_s"] = Number(job.straggler().compute_s());
  json["wait_s"] = Number(job.straggler().wait_s());
  json["transfer_s"] = Number(job.straggler().transfer_s());
  return json;
}

// How many of the copies wanted are in sync; nothing where a partition has no other copy anyway.
Rows CopyFacts(const v1::JobStatus& job) {
  const uint64_t replicas = FleetOf(job).replicas();
  if (replicas < 2 || job.placement().empty() || HasEnded(job.state())) return {};
  uint64_t in_sync = 0;
  for (const v1::PartitionPlacement& place : job.placement()) {
    for (const v1::PartitionReplica& replica : place.replicas()) in_sync += replica.in_sync();
  }
  const uint64_t wanted = replicas * static_cast<uint64_t>(job.placement_size());
  return {{"copies", absl::StrCat(in_sync, " of ", wanted, " in sync",
                                  in_sync < wanted ? "; paceline why tells more" : "")}};
}

// "whole: version 480, 12.3 MB in 0.4 s".
std::string CheckpointState(const v1::CheckpointStatus& checkpoint) {
  switch (checkpoint.state()) {
    case v1::CheckpointStatus::WHOLE:
      return absl::StrCat("whole: version ", checkpoint.version(), ", ",
                          Bytes(static_cast<double>(checkpoint.bytes())), " in ",
                          Duration(checkpoint.seconds()));
    case v1::CheckpointStatus::FAILED:
      return absl::StrCat("failed: ", checkpoint.error());
    default:
      return "being written";
  }
}

// The newest that is whole, and what became of a newer one.
Rows CheckpointFacts(const v1::JobStatus& job, double now_unix_s) {
  Rows facts;
  const auto add = [&](const v1::CheckpointStatus& checkpoint) {
    facts.push_back(
        {"checkpoint", absl::StrCat(checkpoint.id(), " ", CheckpointState(checkpoint), ", ordered ",
                                    Duration(now_unix_s - checkpoint.ordered_unix_s()), " ago")});
  };
  const v1::CheckpointStatus* const whole = NewestWhole(job);
  if (whole != nullptr) add(*whole);
  if (!job.checkpoints().empty() && &*job.checkpoints().rbegin() != whole) {
    add(*job.checkpoints().rbegin());
  }
  if (facts.empty() && job.spec().has_checkpoint()) facts.push_back({"checkpoint", "none yet"});
  return facts;
}

// "12", "12, 13 failed".
std::string CheckpointCell(const v1::JobStatus& job) {
  const v1::CheckpointStatus* const whole = NewestWhole(job);
  std::string cell = whole == nullptr ? "" : absl::StrCat(whole->id());
  if (!job.checkpoints().empty() &&
      job.checkpoints().rbegin()->state() == v1::CheckpointStatus::FAILED) {
    absl::StrAppend(&cell, cell.empty() ? "" : ", ", job.checkpoints().rbegin()->id(), " failed");
  }
  return cell.empty() ? "-" : cell;
}

// What happened to its pushes that should not happen often.
Rows PushFacts(const v1::JobStatus& job) {
  Rows facts;
  uint64_t duplicates = 0;
  uint64_t stale = 0;
  uint64_t invalid = 0;
  const v1::PartitionReport* most = nullptr;  // Dropped.
  for (const v1::PartitionReport& p : job.partitions()) {
    if (p.shards_dropped() > (most == nullptr ? 0 : most->shards_dropped())) most = &p;
    duplicates += p.pushes_duplicate();
    stale += p.pushes_refused_stale();
    invalid += p.pushes_invalid();
    if (p.last_invalid().empty()) continue;
    facts.push_back({"refused", absl::StrCat("partition ", p.partition(), ": ", p.last_invalid())});
  }
  facts.push_back({"pushes", absl::StrCat(duplicates, " duplicate, ", stale, " too stale, ",
                                          invalid, " invalid")});
  if (most != nullptr) {
    facts.push_back({"data shards", absl::StrCat(most->shards_dropped(), " dropped, of which ",
                                                 most->shards_carried(), " carried")});
  }
  if (!job.weights_sha256().empty()) facts.push_back({"weights_sha256", job.weights_sha256()});
  return facts;
}

Rows WorkerRows(const v1::JobStatus& job) {
  Rows rows = {{"WORKER", "STATE", "CLOCK", "SAMPLES", "COMPUTE", "WAIT", "TRANSFER"}};
  for (const v1::WorkerStatus& w : job.workers()) {
    const auto split = TimeSplit(w.report());
    rows.push_back({absl::StrCat(w.worker().id(), "#", w.worker().incarnation()), w.state(),
                    absl::StrCat(w.report().clock()), absl::StrCat(w.report().samples()), split[0],
                    split[1], split[2]});
  }
  return rows;
}

// "2 waiting; w1: clock 7 of w3 on w3": the first one stands for all.
std::string Waiting(const v1::PartitionReport& partition) {
  if (partition.waits().empty()) return "";
  const v1::Wait& wait = partition.waits(0);
  return absl::StrCat(partition.waits_size(), " waiting; ", wait.worker(), ": ", wait.what(),
                      wait.on().empty() ? "" : " on ", absl::StrJoin(wait.on(), ","));
}

// "s1,s2 (not in sync)".
std::string Backups(const v1::PartitionPlacement& place) {
  std::vector<std::string> backups;
  for (const v1::PartitionReplica& replica : place.replicas()) {
    if (replica.server() == place.server()) continue;
    backups.push_back(absl::StrCat(replica.server(), replica.in_sync() ? "" : " (not in sync)",
                                   replica.leaving() ? " (leaving)" : ""));
  }
  return backups.empty() ? "-" : absl::StrJoin(backups, ",");
}

Rows PartitionRows(const v1::JobStatus& job) {
  Rows rows = {{"PARTITION", "SERVER", "BACKUPS", "TERM", "VERSION", "WAITING"}};
  for (const v1::PartitionPlacement& place : job.placement()) {
    const auto report = std::find_if(
        job.partitions().begin(), job.partitions().end(),
        [&](const v1::PartitionReport& p) { return p.partition() == place.partition(); });
    const bool reported = report != job.partitions().end();
    rows.push_back({absl::StrCat(place.partition()),
                    place.server().empty() ? "none" : place.server(), Backups(place),
                    absl::StrCat(place.term()), reported ? absl::StrCat(report->version()) : "-",
                    reported ? Waiting(*report) : ""});
  }
  return rows;
}

}  // namespace

std::string StateName(v1::JobState state) {
  const std::string name = v1::JobState_Name(state);
  return name.empty() ? absl::StrCat("state ", static_cast<int>(state))
                      : absl::AsciiStrToLower(name);
}

bool HasTrained(const v1::JobStatus& job) { return job.samples() > 0; }

std::string ConsistencyName(const v1::ConsistencySpec& consistency) {
  switch (consistency.mode_case()) {
    case v1::ConsistencySpec::kSsp:
      return absl::StrCat("ssp(", consistency.ssp().staleness(), ")");
    case v1::ConsistencySpec::kAsync:
      if (!consistency.async().has_max_staleness()) return "async";
      return absl::StrCat(
          "async(max_staleness ", consistency.async().max_staleness(), ", ",
          absl::AsciiStrToLower(v1::AsyncMode::OnStale_Name(consistency.async().on_stale())), ")");
    case v1::ConsistencySpec::kQuorum: {
      const v1::QuorumMode& quorum = consistency.quorum();
      const std::string carried = quorum.on_late() == v1::QuorumMode::CARRY
                                      ? absl::StrFormat(", carry %g", quorum.carry_weight())
                                      : "";
      return absl::StrFormat("quorum(%d, grace %g%s)", quorum.workers(), quorum.grace(), carried);
    }
    default: {
      const v1::SyncMode& sync = consistency.sync();
      return sync.has_speculate() && !sync.speculate() ? "sync(no help)" : "sync";
    }
  }
}

std::string Counted(uint64_t count, const std::string& noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string Bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  int unit = 0;
  // What "%.1f" would round up to 1000.0 belongs to the next unit.
  while (bytes >= (unit == 0 ? 999.5 : 999.95) && unit < 5) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0f B", bytes)
                   : absl::StrFormat("%.1f %s", bytes, kUnits[unit]);
}

std::string Duration(double seconds) {
  constexpr double kDurationMax = 10000 * 86400.0;
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return absl::StrFormat("%.1f s", seconds);
  if (seconds >= kDurationMax) return "over 10000 d";
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return absl::StrCat(whole, " s");
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  if (whole < 86400) return absl::StrFormat("%d h %02d min", whole / 3600, whole / 60 % 60);
  return absl::StrFormat("%d d %02d h", whole / 86400, whole / 3600 % 24);
}

std::string Printable(const std::string& text) {
  std::string printable = text;
  for (char& c : printable) {
    if (absl::ascii_iscntrl(c)) c = '?';
  }
  return printable;
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      absl::StrAppend(&line, Printable(row[c]));
      if (c + 1 < row.size()) line.append(widths[c] + 2 - Width(row[c]), ' ');
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

const v1::FleetSpec& FleetOf(const v1::JobStatus& job) {
  return job.has_fleet() ? job.fleet() : job.spec().fleet();
}

const v1::CheckpointStatus* NewestWhole(const v1::JobStatus& job) {
  for (int i = job.checkpoints_size() - 1; i >= 0; --i) {
    if (job.checkpoints(i).state() == v1::CheckpointStatus::WHOLE) return &job.checkpoints(i);
  }
  return nullptr;
}

std::string CheckpointLine(const std::string& job, const v1::CheckpointStatus& checkpoint) {
  return Printable(absl::StrCat("checkpoint ", checkpoint.id(), " of ", job, " is ",
                                CheckpointState(checkpoint), ", in ", checkpoint.path(), "/", job));
}

std::string StragglerText(const v1::JobStatus& job) {
  if (!job.has_straggler()) return "";
  const v1::Straggler& slow = job.straggler();
  const auto time = [](double seconds) {
    return seconds < 10 ? absl::StrFormat("%.0f ms", 1000 * seconds) : Duration(seconds);
  };
  return absl::StrCat(slow.worker().id(), absl::StrFormat(" takes %.1f x", slow.times_median()),
                      " the others' median per sample (compute ", time(slow.compute_s()),
                      ", transfer ", time(slow.transfer_s()), ", wait ", time(slow.wait_s()),
                      " per 1000 samples)");
}

std::string JobText(const v1::JobStatus& job, double now_unix_s) {
  Rows facts = JobFacts(job);
  if (job.has_straggler()) facts.push_back({"straggler", StragglerText(job)});
  if (!job.store_error().empty()) {
    facts.push_back({"store", absl::StrCat("cannot be written: ", job.store_error())});
  }
  for (auto& fact : CopyFacts(job)) facts.push_back(std::move(fact));
  if (FleetOf(job).acks() == v1::FleetSpec::LEADER && !HasEnded(job.state())) {
    facts.push_back({"acks", absl::StrCat("leader: at most ", Counted(HeldAlone(job), "update"),
                                          " of a partition held by its primary alone")});
  }
  for (auto& fact : CheckpointFacts(job, now_unix_s)) facts.push_back(std::move(fact));
  for (auto& fact : PushFacts(job)) facts.push_back(std::move(fact));
  std::string text = Table(facts);
  const Rows workers = WorkerRows(job);
  const Rows partitions = PartitionRows(job);
  if (workers.size() > 1) absl::StrAppend(&text, "\n", Table(workers));
  if (partitions.size() > 1) absl::StrAppend(&text, "\n", Table(partitions));
  return text;
}

std::string JobListText(const v1::ListJobsReply& jobs) {
  if (jobs.jobs().empty()) return "this fleet has no jobs; paceline submit SPEC gives it one\n";
  Rows rows = {
      {"JOB", "STATE", "MODE", "WORKERS", "EPOCH", "LOSS", "SAMPLES/S", "CHECKPOINT", "REASON"}};
  for (const v1::JobStatus& job : jobs.jobs()) {
    rows.push_back({job.job(), StateName(job.state()), ConsistencyName(job.segment().consistency()),
                    absl::StrCat(job.roster().members_size(), "/", FleetOf(job).workers()),
                    absl::StrCat(job.epoch(), "/", job.spec().train().epochs()),
                    LossText(job, job.recent_loss()), absl::StrFormat("%.0f", job.samples_per_s()),
                    CheckpointCell(job), BareReason(job)});
  }
  return Table(rows);
}

std::string FleetText(const v1::FleetStatus& fleet) {
  Rows servers = {
      {"SERVER", "ADDRESS", "ZONE", "STATE", "PARTITIONS", "COPIES", "ELEMENTS", "PID"}};
  for (const v1::ServerStatus& s : fleet.servers()) {
    servers.push_back({absl::StrCat(s.server().id(), "#", s.server().incarnation()), s.address(),
                       s.zone().empty() ? "-" : s.zone(), s.state(), absl::StrCat(s.partitions()),
                       absl::StrCat(s.replicas()), absl::StrCat(s.elements()),
                       absl::StrCat(s.pid())});
  }
  Rows workers = {{"WORKER", "HOST", "STATE", "JOB", "PID"}};
  for (const v1::WorkerStatus& w : fleet.workers()) {
    workers.push_back({absl::StrCat(w.worker().id(), "#", w.worker().incarnation()), w.host(),
                       w.state(), w.job(), absl::StrCat(w.pid())});
  }
  const std::string coordinator =
      fleet.coordinator().empty() ? "" : absl::StrCat(", coordinator ", fleet.coordinator());
  const std::string store =
      fleet.store_error().empty()
          ? ""
          : absl::StrCat("store cannot be written for ", Duration(fleet.store_error_s()), ": ",
                         Printable(fleet.store_error()),
                         "\n(what runs goes on; nothing is submitted, placed or promoted meanwhile)\n");
  return absl::StrCat("release ", fleet.release(), ", ", Counted(fleet.jobs(), "job"), coordinator,
                      "\n", store, "\n", Table(servers), "\n", Table(workers));
}

std::string ResultText(const v1::JobStatus& job, const std::string& run_directory) {
  Rows rows = {
      {"job", job.job()},
      {"result", StateAndReason(job)},
      {"mode", ConsistencyName(job.segment().consistency())},
      {"fleet", absl::StrCat(Counted(FleetOf(job).servers(), "server"), ", ",
                             Counted(FleetOf(job).workers(), "worker"),
                             FleetOf(job).replicas() > 1
                                 ? absl::StrCat(", replicas ", FleetOf(job).replicas())
                                 : "")},
      {"samples", absl::StrFormat("%d in %s (%.0f a second)", job.samples(), Duration(job.wall_s()),
                                  job.samples_per_s())},
      {"train loss", LossText(job, job.epoch_loss())},
  };
  if (const v1::Evaluation* e = LastEvaluation(job); e != nullptr) {
    rows.push_back({"eval loss", absl::StrFormat("%.4f", e->loss())});
    if (e->has_accuracy()) rows.push_back({"eval accuracy", Percent(e->accuracy())});
    if (const std::string text = MetricsText(*e); !text.empty()) {
      rows.push_back({"eval metrics", text});
    }
  }
  rows.push_back({"traffic", Traffic(job)});
  if (!job.weights_sha256().empty()) rows.push_back({"weights_sha256", job.weights_sha256()});
  if (!run_directory.empty()) rows.push_back({"run directory", run_directory});
  return Table(rows);
}

std::string EventLine(const v1::Event& event) {
  const absl::Time when = absl::UnixEpoch() + absl::Seconds(event.unix_s());
  return absl::StrCat(absl::FormatTime("%H:%M:%E3S", when, absl::LocalTimeZone()), " ",
                      Printable(event.kind()), event.subject().empty() ? "" : " ",
                      Printable(event.subject()), ": ", Printable(event.message()));
}

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  return status.ok() ? json : "null";
}

void KeepEvaluations(int newest, v1::JobStatus* job) {
  const int dropped = job->evaluations_size() - newest;
  if (dropped <= 0) return;
  const int best = BestEvaluation(*job);
  const bool is_old = best >= 0 && best < dropped;
  // In front of the newest, where the last of those dropped was.
  if (is_old) job->mutable_evaluations()->SwapElements(best, dropped - 1);
  job->mutable_evaluations()->DeleteSubrange(0, is_old ? dropped - 1 : dropped);
}

std::string SummaryJson(const v1::JobStatus& job) {
  return SummaryJson(job, StateName(job.state()), job.reason());
}

std::string SummaryJson(const v1::JobStatus& job, const std::string& state,
                        const std::string& reason) {
  Json staleness = Json::object();
  const std::vector<uint64_t> histogram = Staleness(job);
  for (size_t b = 0; b < histogram.size(); ++b) staleness[BucketName(b)] = histogram[b];
  Json eval = nullptr;
  if (const v1::Evaluation* e = LastEvaluation(job); e != nullptr) {
    eval = Json::object();
    eval["loss"] = Number(e->loss());
    AddMetrics(*e, &eval);
    AddConfusion(*e, &eval);
    eval["samples"] = e->samples();
  }
  Json json = Json::object();
  json["job"] = job.job();
  json["state"] = state;
  json["reason"] = reason;
  json["mode"] = ConsistencyName(job.segment().consistency());
  json["workers"] = FleetOf(job).workers();
  json["servers"] = FleetOf(job).servers();
  json["replicas"] = FleetOf(job).replicas();
  json["checkpoints"] =
      std::count_if(job.checkpoints().begin(), job.checkpoints().end(),
                    [](const auto& c) { return c.state() == v1::CheckpointStatus::WHOLE; });
  json["rounds"] = job.version();
  json["epochs"] = job.epoch();
  json["samples"] = job.samples();
  json["wall_s"] = Number(job.wall_s());
  json["samples_per_s"] = Number(job.samples_per_s());
  json["train_loss"] = LossJson(job, job.epoch_loss());
  json["train_accuracy"] = AccuracyJson(job);
  json["eval"] = eval;
  json["bytes_pushed"] = job.bytes_pushed();
  json["bytes_pulled"] = job.bytes_pulled();
  json["staleness"] = staleness;
  json["weights_sha256"] = job.weights_sha256();
  json["spec_sha256"] = job.spec_sha256();
  json["version"] = job.release();
  return Dump(json, 2);
}

std::string MetricsJson(const v1::JobStatus& job, double unix_s,
                        const std::vector<v1::Evaluation>& evaluations) {
  Json json = Json::object();
  json["unix_s"] = Number(unix_s);
  json["wall_s"] = Number(job.wall_s());
  json["state"] = StateName(job.state());
  json["epoch"] = job.epoch();
  json["rounds"] = job.version();
  json["samples"] = job.samples();
  json["samples_per_s"] = Number(job.samples_per_s());
  json["loss"] = LossJson(job, job.recent_loss());
  json["epoch_loss"] = LossJson(job, job.epoch_loss());
  json["epoch_accuracy"] = AccuracyJson(job);
  json["workers"] = job.roster().members_size();
  json["straggler"] = StragglerJson(job);
  json["bytes_pushed"] = job.bytes_pushed();
  json["bytes_pulled"] = job.bytes_pulled();
  json["evaluations"] = Json::array();
  for (const v1::Evaluation& e : evaluations) json["evaluations"].push_back(EvaluationJson(e));
  return Dump(json, -1);
}

std::string EventJson(const v1::Event& event) {
  Json json = Json::object();
  json["unix_s"] = Number(event.unix_s());
  json["job"] = event.job();
  json["kind"] = event.kind();
  json["subject"] = event.subject();
  json["message"] = event.message();
  return Dump(json, -1);
}

}  // namespace paceline::cli
