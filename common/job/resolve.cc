// ResolveJobSpec: presence, defaults that depend on other fields, and rules between fields. Plain
// defaults and ranges are the table in number_rules.cc.
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/job/folder_path.h"
#include "common/job/job_spec.h"
#include "common/job/job_work.h"
#include "common/job/layer_plan.h"
#include "common/job/number_rules.h"
#include "common/job/parameters.h"
#include "common/job/yaml_scalar.h"

namespace paceline {
namespace {

using google::protobuf::FieldDescriptor;

constexpr size_t kNameMax = 40;
constexpr size_t kParameterNameMax = 128;
constexpr int kDimensionsMax = 8;
constexpr uint64_t kDimensionEnd = uint64_t{1} << 31;
constexpr float kAdamwWeightDecay = 0.01f;
constexpr uint32_t kCheckpointEveryS = 60;
constexpr double kCarryWeight = 0.5;
constexpr NumberRange kWorkerWeight{0, 1e6, true};

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckName(absl::string_view name) {
  const auto fits = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  };
  if (!name.empty() && name.size() <= kNameMax && absl::ascii_islower(name[0]) &&
      std::all_of(name.begin(), name.end(), fits)) {
    return absl::OkStatus();
  }
  return Invalid("name is ", QuoteScalar(name, false),
                 "; wanted 1 to 40 lower-case letters, digits and '-', a letter first");
}

// Which fields of DataFiles a format reads; the first `required` of them must be there.
struct FormatFields {
  std::vector<std::string> names;
  size_t required;
};

FormatFields FieldsOf(v1::DataSpec::Format format) {
  if (format == v1::DataSpec::IDX) return {{"images", "labels"}, 2};
  if (format == v1::DataSpec::CSV) return {{"path", "label", "header"}, 1};
  if (format == v1::DataSpec::TSV) return {{"path", "label", "text", "header"}, 1};
  if (format == v1::DataSpec::JSONL) return {{"path", "label", "text"}, 1};
  if (format == v1::DataSpec::TEXT_FOLDER) return {{"path"}, 1};
  return {{"path", "features"}, 1};
}

bool IsOfTexts(v1::DataSpec::Format format) {
  return format == v1::DataSpec::TSV || format == v1::DataSpec::JSONL ||
         format == v1::DataSpec::TEXT_FOLDER;
}

std::string FormatWord(v1::DataSpec::Format format) {
  return absl::AsciiStrToLower(v1::DataSpec::Format_Name(format));
}

absl::Status CheckFiles(const std::string& path, v1::DataSpec::Format format,
                        const v1::DataFiles& files) {
  const FormatFields fields = FieldsOf(format);
  const std::string word = FormatWord(format);
  std::vector<const FieldDescriptor*> given;
  files.GetReflection()->ListFields(files, &given);
  for (const FieldDescriptor* field : given) {
    if (absl::c_linear_search(fields.names, field->name())) continue;
    return Invalid(path, ".", field->name(), " is given, but format ", word, " reads ",
                   absl::StrJoin(fields.names, ", "));
  }
  for (size_t i = 0; i < fields.required; ++i) {
    const FieldDescriptor* field = v1::DataFiles::descriptor()->FindFieldByName(fields.names[i]);
    if (files.GetReflection()->HasField(files, field)) continue;
    return Invalid(path, ".", field->name(), " is not given; format ", word, " wants a ",
                   format == v1::DataSpec::TEXT_FOLDER ? "folder" : "file");
  }
  return absl::OkStatus();
}

void FillFiles(v1::DataSpec::Format format, v1::DataFiles* files) {
  const bool has_columns = format == v1::DataSpec::CSV || format == v1::DataSpec::TSV;
  const bool has_keys = format == v1::DataSpec::JSONL;
  if ((has_columns || has_keys) && !files->has_label()) {
    files->set_label(has_keys ? "label" : "last");
  }
  if ((format == v1::DataSpec::TSV || has_keys) && !files->has_text()) {
    files->set_text(has_keys ? "text" : "first");
  }
  if (has_columns && !files->has_header()) files->set_header(v1::DataFiles::AUTO);
  if (format == v1::DataSpec::LIBSVM && !files->has_features()) files->set_features(0);
}

// Which columns or keys are read.
absl::Status CheckColumns(const std::string& path, v1::DataSpec::Format format,
                          const v1::DataFiles& files) {
  const char* wanted =
      format == v1::DataSpec::JSONL ? "; wanted a key" : "; wanted first, last or a column's name";
  if (files.has_label() && files.label().empty()) return Invalid(path, ".label is empty", wanted);
  if (files.has_text() && files.text().empty()) return Invalid(path, ".text is empty", wanted);
  if (!files.has_label() || files.label() != files.text()) return absl::OkStatus();
  return Invalid(path, ".label and ", path, ".text are both ", QuoteScalar(files.text(), false),
                 "; wanted one for each");
}

// Train and eval are read alike: what eval does not say is as in train.
absl::Status ResolveEval(v1::DataSpec* spec) {
  const v1::DataFiles& train = spec->train();
  v1::DataFiles* eval = spec->mutable_eval();
  RETURN_IF_ERROR(CheckFiles("data.eval", spec->format(), *eval));
  if (!eval->has_label() && train.has_label()) eval->set_label(train.label());
  if (!eval->has_text() && train.has_text()) eval->set_text(train.text());
  if (!eval->has_features() && train.has_features()) eval->set_features(train.features());
  if (eval->features() != train.features()) {
    return Invalid("data.eval.features is ", eval->features(), " and data.train.features ",
                   train.features(), "; wanted the same, or neither");
  }
  FillFiles(spec->format(), eval);
  return CheckColumns("data.eval", spec->format(), *eval);
}

void FillText(v1::TextSpec* text) {
  if (text->vocabulary_case() == v1::TextSpec::VOCABULARY_NOT_SET) text->mutable_words();
  if (!text->has_lower_case()) text->set_lower_case(true);
}

absl::Status ResolveText(v1::DataSpec* spec) {
  const std::string word = FormatWord(spec->format());
  if (!IsOfTexts(spec->format())) {
    if (!spec->has_text()) return absl::OkStatus();
    return Invalid("data.text is given, but format ", word, " has no texts");
  }
  if (!spec->has_text()) {
    return Invalid("data.text is not given; format ", word, " wants the length of a sample");
  }
  if (spec->standardize()) {
    return Invalid("data.standardize is true, but format ", word,
                   " gives tokens, which are no measures; wanted false");
  }
  return absl::OkStatus();
}

absl::Status ResolveData(v1::DataSpec* spec) {
  if (spec->format() == v1::DataSpec::FORMAT_UNSPECIFIED) {
    return Invalid("data.format is not given; wanted one of ",
                   absl::StrJoin(EnumWords(*v1::DataSpec::Format_descriptor()), ", "));
  }
  if (!spec->has_train()) return Invalid("data.train is not given; wanted the training files");
  RETURN_IF_ERROR(CheckFiles("data.train", spec->format(), spec->train()));
  FillFiles(spec->format(), spec->mutable_train());
  RETURN_IF_ERROR(CheckColumns("data.train", spec->format(), spec->train()));
  if (spec->has_eval() && spec->has_split()) {
    return Invalid("data has both eval and split; wanted at most one of them");
  }
  if (spec->has_eval()) RETURN_IF_ERROR(ResolveEval(spec));
  RETURN_IF_ERROR(ResolveText(spec));
  if (!spec->has_standardize()) spec->set_standardize(false);
  return absl::OkStatus();
}

absl::Status CheckParameterName(const std::string& path, absl::string_view name) {
  const auto fits = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-' || c == '/';
  };
  if (!name.empty() && name.size() <= kParameterNameMax &&
      std::all_of(name.begin(), name.end(), fits)) {
    return absl::OkStatus();
  }
  return Invalid(path, ".name is ", QuoteScalar(name, false),
                 "; wanted 1 to 128 letters, digits, '.', '_', '-' and '/'");
}

absl::Status CheckParameters(const v1::ModelSpec& model) {
  absl::flat_hash_set<std::string> names;
  for (int i = 0; i < model.parameters_size(); ++i) {
    const v1::ParameterSpec& parameter = model.parameters(i);
    const std::string path = absl::StrCat("model.parameters[", i, "]");
    RETURN_IF_ERROR(CheckParameterName(path, parameter.name()));
    if (!names.insert(parameter.name()).second) {
      return Invalid(path, ".name is '", parameter.name(),
                     "', as an earlier parameter's; wanted a name of its own");
    }
    if (parameter.shape_size() > kDimensionsMax) {
      return Invalid(path, ".shape has ", parameter.shape_size(), " dimensions; wanted at most ",
                     kDimensionsMax);
    }
    for (const uint64_t dimension : parameter.shape()) {
      if (dimension >= 1 && dimension < kDimensionEnd) continue;
      return Invalid(path, ".shape has the dimension ", dimension,
                     "; wanted whole numbers in [1, 2147483647]");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLoss(const v1::ModelSpec& model) {
  if (model.loss() == v1::ModelSpec::LOSS_UNSPECIFIED) {
    return Invalid("model.loss is not given; wanted one of ",
                   absl::StrJoin(EnumWords(*v1::ModelSpec::Loss_descriptor()), ", "));
  }
  if (model.has_label_smoothing() && model.loss() != v1::ModelSpec::SOFTMAX_CROSS_ENTROPY) {
    return Invalid("model.label_smoothing is given, but model.loss is ",
                   absl::AsciiStrToLower(v1::ModelSpec::Loss_Name(model.loss())),
                   "; it belongs to softmax_cross_entropy");
  }
  return absl::OkStatus();
}

void FillPool(v1::PoolLayer* pool) {
  if (!pool->has_stride()) pool->set_stride(StrideOf(*pool));
}

// The defaults that are no plain numbers.
void FillLayers(google::protobuf::RepeatedPtrField<v1::LayerSpec>* layers) {
  for (v1::LayerSpec& layer : *layers) {
    if (layer.has_max_pool()) FillPool(layer.mutable_max_pool());
    if (layer.has_average_pool()) FillPool(layer.mutable_average_pool());
    if (layer.has_attention() && !layer.attention().has_causal()) {
      layer.mutable_attention()->set_causal(false);
    }
    if (layer.has_residual()) FillLayers(layer.mutable_residual()->mutable_layers());
  }
}

void FillModel(v1::ModelSpec* model) {
  FillLayers(model->mutable_layers());
  if (model->loss() == v1::ModelSpec::SOFTMAX_CROSS_ENTROPY && !model->has_label_smoothing()) {
    model->set_label_smoothing(0);
  }
}

// Tokens and classes are numbers that only some layers and losses can take for what they are.
absl::Status CheckModelOfTexts(const v1::JobSpec& spec) {
  const std::string word = FormatWord(spec.data().format());
  const auto& layers = spec.model().layers();
  const auto first = std::find_if_not(layers.begin(), layers.end(), IsView);
  const auto path = absl::StrCat("model.layers[", first - layers.begin(), "]");
  if (first == layers.end() || !first->has_embedding()) {
    return Invalid("data.format ", word, " gives tokens, but ", path,
                   " is no embedding; wanted one as the first layer");
  }
  const v1::TextSpec& text = spec.data().text();
  const uint32_t tokens =
      text.has_byte_pairs() ? text.byte_pairs().vocabulary() : text.words().max_words();
  if (first->embedding().vocabulary() < tokens) {
    return Invalid(path, ".embedding.vocabulary is ", first->embedding().vocabulary(),
                   "; wanted at least data.text.",
                   text.has_byte_pairs() ? "byte_pairs.vocabulary" : "words.max_words", ", ",
                   tokens);
  }
  if (spec.model().loss() != v1::ModelSpec::MSE) return absl::OkStatus();
  return Invalid("model.loss is mse, but data.format ", word,
                 " gives classes; wanted softmax_cross_entropy or sigmoid_cross_entropy");
}

absl::Status CheckModel(const v1::JobSpec& spec) {
  const v1::ModelSpec& model = spec.model();
  const bool has_layers = model.layers_size() > 0;
  const bool has_parameters = model.parameters_size() > 0;
  if (!has_layers && !has_parameters) {
    return Invalid("model has neither layers nor parameters; wanted one of them");
  }
  if (has_layers && has_parameters) {
    return Invalid("model has both layers and parameters; wanted one of them");
  }
  if (has_layers && !spec.has_data()) {
    return Invalid("data is not given; wanted the samples to train model.layers on");
  }
  if (has_parameters && model.loss() != v1::ModelSpec::LOSS_UNSPECIFIED) {
    return Invalid("model.loss is given; with model.parameters there is no layer it could follow");
  }
  RETURN_IF_ERROR(has_layers ? CheckLoss(model) : CheckParameters(model));
  // What follows from the count of features is checked when they are counted; of texts it is known.
  const uint64_t features = spec.data().text().length();
  const absl::Status counted =
      has_layers ? PlanLayers(model, features).status() : ParametersOf(spec, {}).status();
  // Of a parameter it gives the name; what was written is the model.
  if (absl::StartsWith(counted.message(), "parameter ")) {
    return Invalid("model: ", counted.message());
  }
  RETURN_IF_ERROR(counted);
  return has_layers && spec.data().has_text() ? CheckModelOfTexts(spec) : absl::OkStatus();
}

void FillOptimizer(v1::OptimizerSpec* optimizer) {
  if (optimizer->rule_case() == v1::OptimizerSpec::RULE_NOT_SET) optimizer->mutable_sgd();
  if (optimizer->has_adamw() && !optimizer->has_weight_decay()) {
    optimizer->set_weight_decay(kAdamwWeightDecay);
  }
  v1::ScheduleSpec* schedule = optimizer->mutable_schedule();
  if (schedule->curve_case() == v1::ScheduleSpec::CURVE_NOT_SET) schedule->mutable_constant();
}

absl::Status ResolveQuorum(v1::QuorumMode* quorum) {
  if (!quorum->has_on_late()) quorum->set_on_late(v1::QuorumMode::DROP);
  if (quorum->on_late() == v1::QuorumMode::CARRY) {
    if (!quorum->has_carry_weight()) quorum->set_carry_weight(kCarryWeight);
    return absl::OkStatus();
  }
  if (!quorum->has_carry_weight()) return absl::OkStatus();
  return Invalid(
      "consistency.quorum.carry_weight is given, but nothing is carried; wanted on_late carry, or "
      "neither");
}

absl::Status ResolveConsistency(bool is_bare, v1::ConsistencySpec* consistency) {
  if (consistency->mode_case() == v1::ConsistencySpec::MODE_NOT_SET) {
    if (is_bare) {
      consistency->mutable_async();
    } else {
      consistency->mutable_sync();
    }
  }
  if (is_bare && HasRounds(*consistency)) {
    return Invalid(
        "consistency is ", consistency->has_quorum() ? "quorum" : "sync",
        ", but model.parameters has no data shards to make rounds of; wanted ssp or async");
  }
  if (consistency->has_quorum()) return ResolveQuorum(consistency->mutable_quorum());
  if (consistency->has_sync() && !consistency->sync().has_speculate()) {
    consistency->mutable_sync()->set_speculate(true);
  }
  if (!consistency->has_async()) return absl::OkStatus();
  v1::AsyncMode* async = consistency->mutable_async();
  if (async->has_max_staleness()) {
    if (!async->has_on_stale()) async->set_on_stale(v1::AsyncMode::REFUSE);
    return absl::OkStatus();
  }
  if (!async->has_on_stale()) return absl::OkStatus();
  return Invalid(
      "consistency.async.on_stale is given without max_staleness, so no push is ever stale; wanted "
      "both or neither");
}

absl::Status CheckMerge(const v1::MergeSpec& merge) {
  if (merge.rule() == v1::MergeSpec::SAMPLES && !merge.worker_weights().empty()) {
    return Invalid(
        "merge.worker_weights is given, but merge.rule samples does not use it; wanted rule worker "
        "or hybrid");
  }
  // In the order of the ids, so that the same spec always gets the same message.
  std::vector<std::pair<std::string, double>> weights(merge.worker_weights().begin(),
                                                      merge.worker_weights().end());
  std::sort(weights.begin(), weights.end());
  for (const auto& [worker, weight] : weights) {
    if (worker.empty()) return Invalid("merge.worker_weights names an empty worker id");
    if (!IsCleanText(worker)) {
      return Invalid("merge.worker_weights names the worker ", QuoteScalar(worker, true),
                     "; wanted text without control characters");
    }
    if (IsInRange(weight, kWorkerWeight)) continue;
    return Invalid("merge.worker_weights.", absl::Utf8SafeCEscape(worker), " is ",
                   DoubleText(weight), "; wanted ", RangeText(kWorkerWeight, false));
  }
  return absl::OkStatus();
}

absl::Status CheckFleet(const v1::FleetSpec& fleet, const v1::ConsistencySpec& consistency) {
  if (fleet.min_in_sync() > fleet.replicas()) {
    return Invalid("fleet.min_in_sync is ", fleet.min_in_sync(),
                   "; wanted at most fleet.replicas (", fleet.replicas(), ")");
  }
  if (fleet.acks() == v1::FleetSpec::LEADER && HasRounds(consistency)) {
    return Invalid(
        "fleet.acks is leader and consistency ", consistency.has_quorum() ? "quorum" : "sync",
        ": an acknowledged round is not computed again; wanted consistency ssp or async, or acks "
        "all");
  }
  if (consistency.quorum().workers() > fleet.workers()) {
    return Invalid("consistency.quorum.workers is ", consistency.quorum().workers(),
                   "; wanted at most fleet.workers (", fleet.workers(), ")");
  }
  return absl::OkStatus();
}

absl::Status ResolveCheckpoint(v1::CheckpointSpec* checkpoint) {
  RETURN_IF_ERROR(CheckFolderPath("checkpoint.path", checkpoint->path()));
  if (checkpoint->has_every_s() || checkpoint->has_every_rounds()) return absl::OkStatus();
  checkpoint->set_every_s(kCheckpointEveryS);
  return absl::OkStatus();
}

absl::Status Resolve(v1::JobSpec* spec) {
  RETURN_IF_ERROR(CheckName(spec->name()));
  FillOptimizer(spec->mutable_optimizer());
  spec->mutable_train();
  spec->mutable_fleet();
  spec->mutable_merge();
  RETURN_IF_ERROR(
      ResolveConsistency(spec->model().parameters_size() > 0, spec->mutable_consistency()));
  if (spec->data().has_text()) FillText(spec->mutable_data()->mutable_text());
  RETURN_IF_ERROR(ApplyNumberRules("", spec));
  if (spec->has_data()) RETURN_IF_ERROR(ResolveData(spec->mutable_data()));
  RETURN_IF_ERROR(CheckModel(*spec));
  FillModel(spec->mutable_model());
  RETURN_IF_ERROR(CheckFleet(spec->fleet(), spec->consistency()));
  RETURN_IF_ERROR(CheckMerge(spec->merge()));
  if (spec->has_checkpoint()) RETURN_IF_ERROR(ResolveCheckpoint(spec->mutable_checkpoint()));
  v1::TrainSpec* train = spec->mutable_train();
  if (!train->has_shards_per_push()) {
    train->set_shards_per_push(
        std::max<uint32_t>(1, train->shards_per_round() / spec->fleet().workers()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveJobSpec(v1::JobSpec* spec) {
  v1::JobSpec resolved = *spec;
  RETURN_IF_ERROR(Resolve(&resolved));
  spec->Swap(&resolved);
  return absl::OkStatus();
}

}  // namespace paceline
