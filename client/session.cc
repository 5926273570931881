#include "client/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session_impl.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/job/job_state.h"

namespace paceline {
namespace {

// A new primary may hear of its role a moment after its callers do.
constexpr absl::Duration kRefreshWithin = absl::Milliseconds(200);

}  // namespace

absl::Status Session::Impl::OnDirective(absl::Time now, const v1::JobDirective& directive) {
  if (router.IsPast(directive)) return absl::OkStatus();
  state_ = directive.state();
  if (HasEnded(state_) && operation_ != nullptr) {
    Finish(absl::CancelledError(
        absl::StrCat("job ", directive.job(), " is ", v1::JobState_Name(state_))));
  }
  std::vector<uint32_t> moved;
  const absl::Status status = router.Update(directive, &moved);
  if (!status.ok()) return status;
  job_ = directive.job();
  const bool segment_changed = segment_ != directive.segment().index();
  segment_ = directive.segment().index();
  if (operation_ == nullptr) return absl::OkStatus();
  if (segment_changed) {
    Finish(absl::AbortedError(absl::StrCat("job ", job_, " has gone on to segment ", segment_,
                                           ": read and compute anew")));
    return absl::OkStatus();
  }

  for (const uint32_t partition : moved) Resend(now, partition);
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    for (size_t i = 0; i < operation_->parts[p].attempts.size(); ++i) {
      const Attempt& attempt = operation_->parts[p].attempts[i];
      if (attempt.refreshes && !attempt.answered && attempt.call == 0) Send(now, p, i);
    }
  }
  return absl::OkStatus();
}

void Session::Impl::BeginExchange(absl::Time now, ExchangeArgs args) {
  PACELINE_CHECK(!args.pieces.empty());
  PACELINE_CHECK(args.base_versions.size() == router.size());
  PACELINE_CHECK(args.want_parameters || !args.offers_help);
  for (const GradientPiece& piece : args.pieces) {
    PACELINE_CHECK(piece.gradient != nullptr && piece.gradient->elements() == router.elements());
  }
  auto operation = std::make_unique<Operation>();
  operation->pushes = true;
  operation->batches.push_back(std::move(args.pieces));
  const Method method = args.want_parameters ? Method::kExchange : Method::kPush;
  operation->exchange = std::move(args);
  Begin(now, std::move(operation), method);
}

void Session::Impl::BeginPull(absl::Time now, PullArgs args) {
  PACELINE_CHECK(!(args.consistent && args.exact_version.has_value()));
  auto operation = std::make_unique<Operation>();
  operation->pull = args;
  Begin(now, std::move(operation), Method::kPull);
}

void Session::Impl::Begin(absl::Time now, std::unique_ptr<Operation> operation, Method method) {
  PACELINE_CHECK(!busy() && router.ready());
  operation_ = std::move(operation);
  operation_->parts.resize(router.size());
  operation_->undone = router.size();
  if (HasEnded(state_) && operation_->pushes) {
    Finish(absl::CancelledError(absl::StrCat("job ", job_, " is ", v1::JobState_Name(state_))));
    return;
  }
  if (operation_->wants_parameters()) operation_->parameters = blocks_.Take(router.elements());
  for (uint32_t p = 0; p < router.size(); ++p) {
    operation_->parts[p].exact_version = operation_->pull.exact_version;
    Add(now, p, method, 0, operation_->exchange.offers_help || operation_->pull.offers_help);
  }
}

void Session::Impl::AddPieces(absl::Time now, uint64_t clock, std::vector<GradientPiece> pieces) {
  if (operation_ == nullptr || operation_->round() != clock || pieces.empty()) return;
  operation_->batches.push_back(std::move(pieces));
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    Part& part = operation_->parts[p];
    if (part.done) continue;
    if (!part.reduced) {
      Add(now, p, Method::kPush, operation_->batches.size() - 1);
    } else {
      // A reduced round has all its leaves.
      KeepSpare(operation_->batches.size() - 1, &part);
    }
  }
}

void Session::Impl::KeepSpare(size_t batch, Part* part) {
  Attempt spare;
  spare.method = Method::kPush;
  spare.batch = batch;
  spare.answered = true;
  part->attempts.push_back(std::move(spare));
}

void Session::Impl::OfferHelp(absl::Time now) {
  if (operation_ == nullptr || !operation_->round().has_value()) return;
  if (!operation_->wants_parameters()) return;
  operation_->missing.clear();
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    Part& part = operation_->parts[p];
    if (part.done || part.reduced) continue;
    // What is being pushed must arrive first.
    Attempt& own = part.attempts[0];
    if (own.offers_help || own.method != Method::kPull) continue;
    Drop(&own);
    AwaitRound(now, p, true);
  }
}

// From here on the partition is asked only for the version that the round makes.
void Session::Impl::AwaitRound(absl::Time now, uint32_t partition, bool offers_help) {
  Part& part = operation_->parts[partition];
  if (part.attempts[0].method != Method::kPull) KeepSpare(part.attempts[0].batch, &part);
  Attempt own;
  own.method = Method::kPull;
  own.offers_help = offers_help;
  part.attempts[0] = std::move(own);
  part.exact_version = *operation_->round() + 1;
  Send(now, partition, 0);
}

std::vector<uint64_t> Session::Impl::TakeMissing() {
  if (operation_ == nullptr) return {};
  const std::set<uint64_t> missing = std::exchange(operation_->missing, {});
  return {missing.begin(), missing.end()};
}

void Session::Impl::Add(absl::Time now, uint32_t partition, Method method, size_t batch,
                        bool offers_help) {
  Attempt attempt;
  attempt.method = method;
  attempt.batch = batch;
  attempt.offers_help = offers_help;
  std::vector<Attempt>& attempts = operation_->parts[partition].attempts;
  attempts.push_back(std::move(attempt));
  Send(now, partition, attempts.size() - 1);
}

void Session::Impl::Send(absl::Time now, uint32_t partition, size_t index) {
  Attempt& attempt = operation_->parts[partition].attempts[index];
  if (router[partition].address.empty()) {
    // No primary: the directive that names one sends it.
    attempt.wake = absl::InfiniteFuture();
    return;
  }
  attempt.call = next_id_++;
  attempt.refreshes = false;
  // The caller ends a call when its timeout is over; the half more is for an answer that got lost.
  attempt.wake = now + options_.call_timeout * 1.5;
  open_[attempt.call] = {partition, index};
  calls.push_back(MakeCall(partition, attempt));
  bytes_pushed += calls.back().piece_gradients.size() * calls.back().elements * sizeof(float);
}

ParameterCall Session::Impl::MakeCall(uint32_t partition, const Attempt& attempt) const {
  const Part& part = operation_->parts[partition];
  ParameterCall call;
  call.id = attempt.call;
  call.method = attempt.method;
  call.address = router[partition].address;
  call.timeout = options_.call_timeout;
  call.offset = router[partition].offset;
  call.elements = router[partition].elements;
  switch (attempt.method) {
    case Method::kPush:
    case Method::kExchange:
      FillPush(partition, attempt, &call);
      break;
    case Method::kPull:
      *call.pull.mutable_key() = Key(partition);
      *call.pull.mutable_worker() = worker_;
      if (part.exact_version.has_value()) call.pull.set_exact_version(*part.exact_version);
      call.pull.set_clock(operation_->pull.clock);
      call.pull.set_offers_help(attempt.offers_help);
      break;
    case Method::kSettle:
      *call.settle.mutable_key() = Key(partition);
      *call.settle.mutable_worker() = worker_;
      call.settle.set_clock(*operation_->round());
      call.settle.set_total_square_norm(operation_->total_square_norm);
      break;
  }
  return call;
}

void Session::Impl::FillPush(uint32_t partition, const Attempt& attempt,
                             ParameterCall* call) const {
  v1::PushHeader* const push = &call->push;
  *push->mutable_key() = Key(partition);
  *push->mutable_worker() = worker_;
  push->set_clock(*operation_->round());
  // Pieces that join a Pull of version v + 1 are of the round that starts from v.
  push->set_base_version(operation_->pushes ? operation_->exchange.base_versions[partition]
                                            : *operation_->round());
  push->set_square_norm(operation_->exchange.square_norm);
  push->set_dtype(v1::FLOAT32);
  push->set_offers_help(attempt.offers_help);
  for (const GradientPiece& piece : operation_->batches[attempt.batch]) {
    *push->add_pieces() = piece.piece;
    call->piece_gradients.push_back(piece.gradient);
  }
}

v1::PartitionKey Session::Impl::Key(uint32_t partition) const {
  v1::PartitionKey key;
  key.set_job(job_);
  key.set_partition(partition);
  key.set_term(router[partition].term);
  key.set_segment(segment_);
  return key;
}

// Whatever becomes of it is of no interest any more.
void Session::Impl::Drop(Attempt* attempt) {
  attempt->answered = true;
  if (attempt->call == 0) return;
  open_.erase(attempt->call);
  cancels.push_back(attempt->call);
  attempt->call = 0;
}

void Session::Impl::Close(Part* part) {
  for (Attempt& attempt : part->attempts) Drop(&attempt);
}

// Everything that `partition` was asked and has not finished, anew and at once.
void Session::Impl::Resend(absl::Time now, uint32_t partition) {
  Part& part = operation_->parts[partition];
  if (part.done) return;
  part.reduced = false;
  part.has_norms = false;
  Close(&part);
  for (size_t i = 0; i < part.attempts.size(); ++i) {
    if (part.attempts[i].method == Method::kSettle) continue;
    part.attempts[i].answered = false;
    Send(now, partition, i);
  }
}

void Session::Impl::Abandon() {
  if (operation_ != nullptr) {
    for (Part& part : operation_->parts) Close(&part);
    operation_.reset();
  }
  result.reset();
}

void Session::Impl::OnCallDone(absl::Time now, uint64_t id, CallResult answer) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  const Place place = found->second;
  open_.erase(found);
  operation_->parts[place.partition].attempts[place.attempt].call = 0;
  if (answer.status.ok()) {
    OnAnswer(now, place, std::move(answer));
  } else {
    OnFailure(now, place, answer.status);
  }
}

void Session::Impl::OnFailure(absl::Time now, Place place, const absl::Status& status) {
  Part& part = operation_->parts[place.partition];
  Attempt& attempt = part.attempts[place.attempt];
  const Remedy remedy = RemedyFor(status.code());
  if (remedy != Remedy::kRetry && remedy != Remedy::kRefresh) {
    Finish(absl::Status(status.code(), absl::StrCat("partition ", place.partition, " of job ", job_,
                                                    " at ", router[place.partition].address, ": ",
                                                    std::string(status.message()))));
    return;
  }
  if (!attempt.backoff.has_value()) {
    attempt.backoff.emplace(
        RandomStream(options_.seed, absl::StrCat("retry/", worker_.id(), "/", jitters_++)),
        options_.backoff);
  }
  attempt.refreshes = remedy == Remedy::kRefresh;
  const absl::Duration delay = attempt.backoff->Next();
  attempt.wake = now + (attempt.refreshes ? std::min(delay, kRefreshWithin) : delay);
  if (attempt.method == Method::kSettle && remedy == Remedy::kRefresh) {
    // Not the round it was reduced for: ask what it is now.
    attempt.answered = true;
    part.reduced = false;
    part.has_norms = false;
    Attempt& own = part.attempts[0];
    own.answered = false;
    own.wake = attempt.wake;
    own.refreshes = true;
  }
}

void Session::Impl::OnAnswer(absl::Time now, Place place, CallResult answer) {
  Part& part = operation_->parts[place.partition];
  Attempt& attempt = part.attempts[place.attempt];
  attempt.answered = true;
  // A Push beside the operation's own call has done its part; the other call brings the answer.
  const bool is_aside = attempt.method == Method::kPush && operation_->wants_parameters();
  if (!is_aside) part.held += absl::Microseconds(answer.header.held_us());
  if (answer.header.awaiting_norm() && operation_->round().has_value()) {
    OnReduced(now, place.partition, answer.header);
    return;
  }
  if (attempt.offers_help && answer.header.missing_size() > 0) {
    operation_->missing.insert(answer.header.missing().begin(), answer.header.missing().end());
    AwaitRound(now, place.partition, false);
    return;
  }
  if (is_aside) return;
  const absl::Status status = CheckAnswer(place.partition, attempt.method, answer);
  if (!status.ok()) {
    Finish(status);
    return;
  }
  Accept(place.partition, answer);
  SettleIfReduced(now);
  FinishIfDone(now);
}

absl::Status Session::Impl::CheckAnswer(uint32_t partition, Method method,
                                        const CallResult& answer) const {
  const Route& route = router[partition];
  const auto where = [&] {
    return absl::StrCat("partition ", partition, " of job ", job_, " at ", route.address);
  };
  if (answer.header.awaiting_norm()) {
    return absl::DataLossError(
        absl::StrCat(where(), ": an answer that awaits a norm to a read that waits for no round"));
  }
  if (operation_->wants_parameters()) {
    const uint64_t seen = answer.parameters == nullptr ? 0 : answer.parameters->elements();
    if (seen != route.elements) {
      return absl::DataLossError(
          absl::StrCat(where(), ": an answer with ", seen, " elements, wanted ", route.elements));
    }
  }
  const std::optional<uint64_t>& exact = operation_->parts[partition].exact_version;
  if (method == Method::kPull && exact.has_value() && answer.header.version() != *exact) {
    return absl::DataLossError(absl::StrCat(where(), ": an answer with version ",
                                            answer.header.version(), ", wanted ", *exact));
  }
  return absl::OkStatus();
}

void Session::Impl::Accept(uint32_t partition, const CallResult& answer) {
  Part& part = operation_->parts[partition];
  part.version = answer.header.version();
  if (answer.header.square_norms_size() > 0 && operation_->round() == part.version - 1) {
    part.norms.assign(answer.header.square_norms().begin(), answer.header.square_norms().end());
    part.has_norms = true;
  }
  if (operation_->wants_parameters()) {
    const absl::Span<const float> from = answer.parameters->floats();
    std::copy(from.begin(), from.end(),
              operation_->parameters->floats().begin() + router[partition].offset);
    bytes_pulled += from.size() * sizeof(float);
  }
  operation_->result.held = part.held;
  operation_->result.duplicates += answer.header.duplicate() ? 1 : 0;
  operation_->result.staleness = std::max(operation_->result.staleness, answer.header.staleness());
  Close(&part);
  part.done = true;
  --operation_->undone;
}

void Session::Impl::OnReduced(absl::Time now, uint32_t partition,
                              const v1::ParametersHeader& header) {
  Part& part = operation_->parts[partition];
  // All that was pushed is in the round, and whoever waited has got this same answer.
  Close(&part);
  part.reduced = true;
  part.has_norms = true;
  part.norms.assign(header.square_norms().begin(), header.square_norms().end());
  SettleIfReduced(now);
}

// Once every partition has told its norms: supplies their sum to those that wait for it.
void Session::Impl::SettleIfReduced(absl::Time now) {
  bool any_reduced = false;
  for (const Part& part : operation_->parts) {
    if (!part.done && !part.reduced) return;
    any_reduced |= part.reduced && !part.done;
  }
  if (!any_reduced) return;

  double total = 0;
  bool known = true;
  for (const Part& part : operation_->parts) {
    known &= part.has_norms;
    for (const double norm : part.norms) total += norm;
  }
  operation_->total_square_norm = total;
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    Part& part = operation_->parts[p];
    if (part.done || !part.reduced) continue;
    const bool under_way = std::any_of(part.attempts.begin(), part.attempts.end(),
                                       [](const Attempt& a) { return !a.answered; });
    if (under_way) continue;
    if (known) {
      Add(now, p, Method::kSettle, 0);
    } else {
      // A partition that was settled before we asked keeps its norms to itself: whoever settled it
      // settles the others too. Ask again until it has.
      part.reduced = false;
      part.attempts[0].answered = false;
      OnFailure(now, {p, 0}, absl::UnavailableError("the norm is not known"));
    }
  }
}

// The second half of a consistent read: the lowest version seen, of those that were ahead of it.
bool Session::Impl::AlignVersions(absl::Time now) {
  if (!operation_->pull.consistent || operation_->aligned) return false;
  operation_->aligned = true;
  uint64_t lowest = operation_->parts[0].version;
  for (const Part& part : operation_->parts) lowest = std::min(lowest, part.version);
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    Part& part = operation_->parts[p];
    if (part.version == lowest) continue;
    part.done = false;
    part.exact_version = lowest;
    ++operation_->undone;
    Add(now, p, Method::kPull, 0);
  }
  return operation_->undone > 0;
}

void Session::Impl::FinishIfDone(absl::Time now) {
  if (operation_->undone > 0 || AlignVersions(now)) return;
  Finish(absl::OkStatus());
}

void Session::Impl::Finish(absl::Status status) {
  const std::unique_ptr<Operation> operation = std::move(operation_);
  for (Part& part : operation->parts) Close(&part);
  result = std::move(operation->result);
  result->status = std::move(status);
  if (!result->status.ok()) return;
  for (const Part& part : operation->parts) result->versions.push_back(part.version);
  result->parameters = std::move(operation->parameters);
}

void Session::Impl::OnTick(absl::Time now) {
  for (uint32_t p = 0; operation_ != nullptr && p < operation_->parts.size(); ++p) {
    for (size_t i = 0; i < operation_->parts[p].attempts.size(); ++i) {
      Attempt& attempt = operation_->parts[p].attempts[i];
      if (attempt.answered || now < attempt.wake) continue;
      if (attempt.call == 0) {
        Send(now, p, i);
      } else {
        const uint64_t lost = attempt.call;
        cancels.push_back(lost);
        OnCallDone(now, lost, {absl::DeadlineExceededError("no answer"), {}, nullptr});
      }
    }
  }
}

absl::Time Session::Impl::NextTick() const {
  absl::Time next = absl::InfiniteFuture();
  if (operation_ == nullptr) return next;
  for (const Part& part : operation_->parts) {
    for (const Attempt& attempt : part.attempts) {
      if (!attempt.answered) next = std::min(next, attempt.wake);
    }
  }
  return next;
}

std::vector<uint32_t> Session::Impl::Unanswered() const {
  std::vector<uint32_t> partitions;
  if (operation_ == nullptr) return partitions;
  for (uint32_t p = 0; p < operation_->parts.size(); ++p) {
    if (!operation_->parts[p].done) partitions.push_back(p);
  }
  return partitions;
}

Session::Session(v1::WorkerIdentity worker, SessionOptions options)
    : impl_(std::make_unique<Impl>(std::move(worker), options)) {}
Session::~Session() = default;

absl::Status Session::OnDirective(absl::Time now, const v1::JobDirective& directive) {
  return impl_->OnDirective(now, directive);
}
void Session::BeginExchange(absl::Time now, ExchangeArgs args) {
  impl_->BeginExchange(now, std::move(args));
}
void Session::BeginPull(absl::Time now, PullArgs args) { impl_->BeginPull(now, std::move(args)); }
void Session::AddPieces(absl::Time now, uint64_t clock, std::vector<GradientPiece> pieces) {
  impl_->AddPieces(now, clock, std::move(pieces));
}
void Session::OfferHelp(absl::Time now) { impl_->OfferHelp(now); }
std::vector<uint64_t> Session::TakeMissing() { return impl_->TakeMissing(); }
void Session::Abandon() { impl_->Abandon(); }
void Session::OnCallDone(absl::Time now, uint64_t id, CallResult result) {
  impl_->OnCallDone(now, id, std::move(result));
}
void Session::OnTick(absl::Time now) { impl_->OnTick(now); }
absl::Time Session::NextTick() const { return impl_->NextTick(); }
std::vector<ParameterCall> Session::TakeCalls() { return std::exchange(impl_->calls, {}); }
std::vector<uint64_t> Session::TakeCancels() { return std::exchange(impl_->cancels, {}); }
std::optional<OperationResult> Session::TakeResult() {
  return std::exchange(impl_->result, std::nullopt);
}
bool Session::ready() const { return impl_->router.ready(); }
const Router& Session::router() const { return impl_->router; }
bool Session::busy() const { return impl_->busy(); }
std::vector<uint32_t> Session::Unanswered() const { return impl_->Unanswered(); }
uint64_t Session::bytes_pushed() const { return impl_->bytes_pushed; }
uint64_t Session::bytes_pulled() const { return impl_->bytes_pulled; }

}  // namespace paceline
