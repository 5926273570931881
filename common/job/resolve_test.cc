#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>
#include <limits>

#include "absl/strings/match.h"
#include "common/job/job_spec.h"

namespace paceline {
namespace {

using google::protobuf::util::MessageDifferencer;

// The smallest spec with layers: csv, one linear layer.
v1::JobSpec Minimal() {
  v1::JobSpec spec;
  spec.set_name("j");
  spec.mutable_data()->set_format(v1::DataSpec::CSV);
  spec.mutable_data()->mutable_train()->set_path("/t.csv");
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(1);
  spec.mutable_model()->set_loss(v1::ModelSpec::MSE);
  return spec;
}

v1::JobSpec Bare() {
  v1::JobSpec spec;
  spec.set_name("j");
  v1::ParameterSpec* parameter = spec.mutable_model()->add_parameters();
  parameter->set_name("p");
  parameter->add_shape(4);
  return spec;
}

v1::JobSpec Resolved(v1::JobSpec spec) {
  const absl::Status status = ResolveJobSpec(&spec);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return spec;
}

// The error, after checking that the spec was left alone.
absl::Status StatusOf(v1::JobSpec spec) {
  const v1::JobSpec before = spec;
  const absl::Status status = ResolveJobSpec(&spec);
  // By its bytes, as a NaN does not equal itself; in one order of maps, which copies do not keep.
  REQUIRE(SpecSha256(spec) == SpecSha256(before));
  return status;
}

std::string ErrorOf(const v1::JobSpec& spec) {
  const absl::Status status = StatusOf(spec);
  REQUIRE(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST_CASE("an almost empty spec gets every default") {
  const v1::JobSpec spec = Resolved(Minimal());

  CHECK(spec.seed() == 1);
  CHECK(spec.data().shard_samples() == 32);
  CHECK(spec.data().train().label() == "last");
  CHECK(spec.data().train().has_header());
  CHECK(spec.data().has_standardize());
  CHECK(spec.train().shards_per_round() == 8);
  CHECK(spec.train().epochs() == 1);
  CHECK(spec.train().shards_per_push() == 8);
  CHECK(spec.optimizer().sgd().learning_rate() == 0.1f);
  CHECK(spec.optimizer().has_weight_decay());
  CHECK_FALSE(spec.optimizer().has_clip_value());
  CHECK(spec.consistency().has_sync());
  CHECK(spec.fleet().servers() == 1);
  CHECK(spec.fleet().workers() == 1);
  CHECK(spec.fleet().replicas() == 1);
  CHECK(spec.fleet().min_in_sync() == 1);
  CHECK(spec.has_merge());
}

TEST_CASE("resolving twice is resolving once") {
  v1::JobSpec libsvm = Minimal();
  libsvm.mutable_data()->set_format(v1::DataSpec::LIBSVM);
  libsvm.mutable_data()->mutable_eval()->set_path("/e");
  libsvm.mutable_consistency()->mutable_async()->set_max_staleness(3);
  libsvm.mutable_optimizer()->mutable_adamw();
  v1::JobSpec split = Minimal();
  split.mutable_data()->mutable_split()->set_eval_fraction(0.1);
  split.mutable_consistency()->mutable_async();

  v1::JobSpec kept = Minimal();
  kept.mutable_checkpoint()->set_path("/c");

  for (const v1::JobSpec& spec : {Minimal(), Bare(), libsvm, split, kept}) {
    const v1::JobSpec once = Resolved(spec);
    CHECK(MessageDifferencer::Equals(once, Resolved(once)));
  }
  CHECK(Resolved(libsvm).consistency().async().has_on_stale());
  CHECK(Resolved(libsvm).optimizer().weight_decay() == 0.01f);
  CHECK(Resolved(split).data().split().seed() == 1);
}

TEST_CASE("a push is a worker's share of a round, and at least one shard") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_workers(3);
  CHECK(Resolved(spec).train().shards_per_push() == 2);
  spec.mutable_fleet()->set_workers(100);
  CHECK(Resolved(spec).train().shards_per_push() == 1);
}

TEST_CASE("a job's name is 1 to 40 lower-case letters, digits and dashes") {
  for (const char* name : {"", "A", "1a", "-a", "a_b", "a b", "gr\xc3\xbc\xc3\x9f"}) {
    v1::JobSpec spec = Minimal();
    spec.set_name(name);
    CHECK(ErrorOf(spec).find("; wanted 1 to 40 lower-case letters") != std::string::npos);
  }
  v1::JobSpec spec = Minimal();
  spec.set_name(std::string(40, 'a'));
  CHECK(StatusOf(Resolved(spec)).ok());
  spec.set_name(std::string(41, 'a'));
  CHECK_FALSE(ErrorOf(spec).empty());
}

TEST_CASE("a model has layers with data and a loss, or bare parameters") {
  v1::JobSpec spec = Minimal();
  spec.clear_data();
  CHECK(ErrorOf(spec) == "data is not given; wanted the samples to train model.layers on");

  spec = Minimal();
  spec.mutable_model()->clear_loss();
  CHECK(ErrorOf(spec) ==
        "model.loss is not given; wanted one of softmax_cross_entropy, mse, sigmoid_cross_entropy");

  spec = Minimal();
  spec.mutable_model()->add_layers();
  CHECK(ErrorOf(spec).find("model.layers[1] is empty; wanted one of linear, relu, ") == 0);

  spec = Minimal();
  spec.clear_model();
  CHECK(ErrorOf(spec) == "model has neither layers nor parameters; wanted one of them");

  spec = Minimal();
  *spec.mutable_model()->add_parameters() = Bare().model().parameters(0);
  CHECK(ErrorOf(spec) == "model has both layers and parameters; wanted one of them");

  spec = Bare();
  spec.mutable_model()->set_loss(v1::ModelSpec::MSE);
  CHECK(ErrorOf(spec).find("model.loss is given") == 0);

  spec = Minimal();
  spec.mutable_model()->mutable_layers(0)->mutable_linear()->set_units(0);
  CHECK(ErrorOf(spec) ==
        "model.layers[0].linear.units is 0; wanted a whole number in [1, 1048576]");
}

TEST_CASE("bare parameters have no rounds: async unless ssp is asked for") {
  CHECK(Resolved(Bare()).consistency().has_async());

  v1::JobSpec spec = Bare();
  spec.mutable_consistency()->mutable_ssp()->set_staleness(2);
  CHECK(Resolved(spec).consistency().ssp().staleness() == 2);

  spec.mutable_consistency()->mutable_sync();
  CHECK(ErrorOf(spec).find("consistency is sync, but model.parameters has no data shards") == 0);
  spec.mutable_consistency()->mutable_quorum()->set_workers(1);
  CHECK(ErrorOf(spec) ==
        "consistency is quorum, but model.parameters has no data shards to make rounds of; wanted "
        "ssp or async");
}

TEST_CASE("bare parameters have names of their own and sensible shapes") {
  v1::JobSpec spec = Bare();
  *spec.mutable_model()->add_parameters() = spec.model().parameters(0);
  CHECK(ErrorOf(spec) ==
        "model.parameters[1].name is 'p', as an earlier parameter's; wanted a name of its own");

  spec = Bare();
  spec.mutable_model()->mutable_parameters(0)->set_name("a b");
  CHECK(
      ErrorOf(spec) ==
      "model.parameters[0].name is 'a b'; wanted 1 to 128 letters, digits, '.', '_', '-' and '/'");

  spec = Bare();
  for (int i = 0; i < 8; ++i) spec.mutable_model()->mutable_parameters(0)->add_shape(1);
  CHECK(ErrorOf(spec) == "model.parameters[0].shape has 9 dimensions; wanted at most 8");

  for (const uint64_t dimension : {uint64_t{0}, uint64_t{1} << 31}) {
    spec = Bare();
    spec.mutable_model()->mutable_parameters(0)->set_shape(0, dimension);
    CHECK(ErrorOf(spec).find("wanted whole numbers in [1, 2147483647]") != std::string::npos);
  }

  spec = Bare();
  for (int i = 0; i < 3; ++i) spec.mutable_model()->mutable_parameters(0)->add_shape(1 << 30);
  CHECK(ErrorOf(spec).find("to more than 1099511627776 (2^40)") != std::string::npos);

  spec = Bare();
  spec.mutable_model()->mutable_parameters(0)->set_initial(std::numeric_limits<float>::infinity());
  CHECK(ErrorOf(spec) == "model.parameters[0].initial is inf; wanted a finite number");
}

TEST_CASE("the files are those that the format reads") {
  v1::JobSpec spec = Minimal();
  spec.mutable_data()->clear_format();
  CHECK(ErrorOf(spec) ==
        "data.format is not given; wanted one of idx, csv, libsvm, tsv, jsonl, text_folder");

  spec = Minimal();
  spec.mutable_data()->clear_train();
  CHECK(ErrorOf(spec) == "data.train is not given; wanted the training files");

  spec = Minimal();
  spec.mutable_data()->mutable_train()->clear_path();
  CHECK(ErrorOf(spec) == "data.train.path is not given; format csv wants a file");

  spec = Minimal();
  spec.mutable_data()->mutable_train()->set_images("i");
  CHECK(ErrorOf(spec) == "data.train.images is given, but format csv reads path, label, header");

  spec = Minimal();
  spec.mutable_data()->set_format(v1::DataSpec::IDX);
  CHECK(ErrorOf(spec) == "data.train.path is given, but format idx reads images, labels");

  spec = Minimal();
  spec.mutable_data()->mutable_eval();
  CHECK(ErrorOf(spec) == "data.eval.path is not given; format csv wants a file");

  spec = Minimal();
  spec.mutable_data()->mutable_train()->set_label("");
  CHECK(ErrorOf(spec) == "data.train.label is empty; wanted first, last or a column's name");

  spec = Minimal();
  spec.mutable_data()->mutable_eval()->set_path("/e");
  spec.mutable_data()->mutable_split()->set_eval_fraction(0.5);
  CHECK(ErrorOf(spec) == "data has both eval and split; wanted at most one of them");

  spec = Minimal();
  spec.mutable_data()->mutable_split();
  CHECK(ErrorOf(spec) == "data.split.eval_fraction is 0; wanted a number in (0, 1)");
}

TEST_CASE("evaluation files are read as the training files are") {
  v1::JobSpec csv = Minimal();
  csv.mutable_data()->mutable_train()->set_label("price");
  csv.mutable_data()->mutable_eval()->set_path("/e");
  CHECK(Resolved(csv).data().eval().label() == "price");

  v1::JobSpec libsvm = Minimal();
  libsvm.mutable_data()->set_format(v1::DataSpec::LIBSVM);
  libsvm.mutable_data()->mutable_train()->set_features(12);
  libsvm.mutable_data()->mutable_eval()->set_path("/e");
  CHECK(Resolved(libsvm).data().eval().features() == 12);
  libsvm.mutable_data()->mutable_eval()->set_features(13);
  CHECK(ErrorOf(libsvm) ==
        "data.eval.features is 13 and data.train.features 12; wanted the same, or neither");
}

// Texts of 8 tokens, an embedding and a class.
v1::JobSpec OfTexts(v1::DataSpec::Format format) {
  v1::JobSpec spec = Minimal();
  spec.mutable_data()->set_format(format);
  spec.mutable_data()->mutable_text()->set_length(8);
  spec.mutable_model()->clear_layers();
  v1::EmbeddingLayer* embedding = spec.mutable_model()->add_layers()->mutable_embedding();
  embedding->set_vocabulary(20000);
  embedding->set_width(4);
  spec.mutable_model()->add_layers()->mutable_global_average_pool();
  spec.mutable_model()->add_layers()->mutable_linear()->set_units(3);
  spec.mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  return spec;
}

TEST_CASE("specs of texts get every default, and evaluation files are read as the training files") {
  v1::JobSpec tsv = OfTexts(v1::DataSpec::TSV);
  tsv.mutable_data()->mutable_train()->set_text("body");
  tsv.mutable_data()->mutable_eval()->set_path("/e");
  v1::JobSpec jsonl = OfTexts(v1::DataSpec::JSONL);
  jsonl.mutable_data()->mutable_text()->mutable_byte_pairs();
  const v1::DataSpec of_tsv = Resolved(tsv).data();
  const v1::DataSpec of_jsonl = Resolved(jsonl).data();

  CHECK(of_tsv.text().words().max_words() == 20000);
  CHECK(of_tsv.text().lower_case());
  CHECK(of_tsv.train().label() == "last");
  CHECK(of_tsv.train().has_header());
  CHECK(of_tsv.eval().text() == "body");
  CHECK(of_tsv.eval().label() == "last");
  CHECK(of_jsonl.text().byte_pairs().vocabulary() == 4096);
  CHECK(of_jsonl.train().text() == "text");
  CHECK(of_jsonl.train().label() == "label");
  CHECK(Resolved(OfTexts(v1::DataSpec::TEXT_FOLDER)).data().text().words().max_words() == 20000);
  for (const v1::JobSpec& spec : {tsv, jsonl}) {
    CHECK(MessageDifferencer::Equals(Resolved(spec), Resolved(Resolved(spec))));
  }
}

TEST_CASE("text belongs to formats of texts, which want its length") {
  v1::JobSpec csv = Minimal();
  csv.mutable_data()->mutable_text()->set_length(8);
  v1::JobSpec without = OfTexts(v1::DataSpec::TSV);
  without.mutable_data()->clear_text();
  v1::JobSpec endless = OfTexts(v1::DataSpec::TSV);
  endless.mutable_data()->mutable_text()->clear_length();
  v1::JobSpec words = OfTexts(v1::DataSpec::TSV);
  words.mutable_data()->mutable_text()->mutable_words()->set_max_words(2);
  v1::JobSpec pairs = OfTexts(v1::DataSpec::TSV);
  pairs.mutable_data()->mutable_text()->mutable_byte_pairs()->set_vocabulary(256);
  v1::JobSpec scaled = OfTexts(v1::DataSpec::JSONL);
  scaled.mutable_data()->set_standardize(true);

  CHECK(ErrorOf(csv) == "data.text is given, but format csv has no texts");
  CHECK(ErrorOf(without) == "data.text is not given; format tsv wants the length of a sample");
  CHECK(ErrorOf(endless) == "data.text.length is 0; wanted a whole number in [1, 65536]");
  CHECK(ErrorOf(words) == "data.text.words.max_words is 2; wanted a whole number in [3, 16777216]");
  CHECK(ErrorOf(pairs) ==
        "data.text.byte_pairs.vocabulary is 256; wanted a whole number in [257, 65536]");
  CHECK(ErrorOf(scaled) ==
        "data.standardize is true, but format jsonl gives tokens, which are no measures; wanted "
        "false");
}

TEST_CASE("the files of texts are those that the format reads") {
  v1::JobSpec folder = OfTexts(v1::DataSpec::TEXT_FOLDER);
  folder.mutable_data()->mutable_train()->set_label("first");
  v1::JobSpec nowhere = OfTexts(v1::DataSpec::TEXT_FOLDER);
  nowhere.mutable_data()->mutable_train()->clear_path();
  v1::JobSpec header = OfTexts(v1::DataSpec::JSONL);
  header.mutable_data()->mutable_train()->set_header(v1::DataFiles::YES);
  v1::JobSpec same = OfTexts(v1::DataSpec::TSV);
  same.mutable_data()->mutable_train()->set_label("first");
  v1::JobSpec same_in_eval = OfTexts(v1::DataSpec::TSV);
  same_in_eval.mutable_data()->mutable_eval()->set_path("/e");
  same_in_eval.mutable_data()->mutable_eval()->set_text("last");
  v1::JobSpec nameless = OfTexts(v1::DataSpec::JSONL);
  nameless.mutable_data()->mutable_train()->set_text("");

  CHECK(ErrorOf(folder) == "data.train.label is given, but format text_folder reads path");
  CHECK(ErrorOf(nowhere) == "data.train.path is not given; format text_folder wants a folder");
  CHECK(ErrorOf(header) == "data.train.header is given, but format jsonl reads path, label, text");
  CHECK(ErrorOf(same) ==
        "data.train.label and data.train.text are both 'first'; wanted one for each");
  CHECK(ErrorOf(same_in_eval) ==
        "data.eval.label and data.eval.text are both 'last'; wanted one for each");
  CHECK(ErrorOf(nameless) == "data.train.text is empty; wanted a key");
}

TEST_CASE("a model of texts begins with an embedding that knows every token, and ends in classes") {
  v1::JobSpec linear = OfTexts(v1::DataSpec::TSV);
  linear.mutable_model()->clear_layers();
  linear.mutable_model()->add_layers()->mutable_linear()->set_units(3);
  v1::JobSpec small = OfTexts(v1::DataSpec::TSV);
  small.mutable_data()->mutable_text()->mutable_words()->set_max_words(20001);
  v1::JobSpec pairs = OfTexts(v1::DataSpec::TSV);
  pairs.mutable_data()->mutable_text()->mutable_byte_pairs();
  pairs.mutable_model()->mutable_layers(0)->mutable_embedding()->set_vocabulary(4095);
  v1::JobSpec reshaped = OfTexts(v1::DataSpec::TSV);
  reshaped.mutable_model()->mutable_layers(0)->mutable_reshape()->add_shape(9);
  v1::JobSpec mse = OfTexts(v1::DataSpec::TSV);
  mse.mutable_model()->mutable_layers(2)->mutable_linear()->set_units(1);
  mse.mutable_model()->set_loss(v1::ModelSpec::MSE);

  CHECK(ErrorOf(linear) ==
        "data.format tsv gives tokens, but model.layers[0] is no embedding; wanted one as the "
        "first layer");
  CHECK(ErrorOf(small) ==
        "model.layers[0].embedding.vocabulary is 20000; wanted at least data.text.words.max_words, "
        "20001");
  CHECK(ErrorOf(pairs) ==
        "model.layers[0].embedding.vocabulary is 4095; wanted at least "
        "data.text.byte_pairs.vocabulary, 4096");
  CHECK(ErrorOf(reshaped).find("model.layers[0].reshape.shape [9] has 9 numbers, but what comes "
                               "before it gives [8]") == 0);
  CHECK(ErrorOf(mse) ==
        "model.loss is mse, but data.format tsv gives classes; wanted softmax_cross_entropy or "
        "sigmoid_cross_entropy");
}

TEST_CASE("clipping, decay and schedule stay in range") {
  v1::JobSpec spec = Minimal();
  spec.mutable_optimizer()->set_clip_value(0);
  CHECK(ErrorOf(spec) == "optimizer.clip_value is 0; wanted a finite number > 0");

  spec = Minimal();
  spec.mutable_optimizer()->set_clip_global_norm(-1);
  CHECK(ErrorOf(spec) == "optimizer.clip_global_norm is -1; wanted a finite number > 0");

  spec = Minimal();
  spec.mutable_optimizer()->set_weight_decay(std::numeric_limits<float>::quiet_NaN());
  CHECK(ErrorOf(spec) == "optimizer.weight_decay is nan; wanted a finite number >= 0");

  spec = Minimal();
  spec.mutable_optimizer()->mutable_momentum()->set_momentum(1);
  CHECK(ErrorOf(spec) == "optimizer.momentum.momentum is 1; wanted a number in [0, 1)");

  spec = Minimal();
  spec.mutable_optimizer()->mutable_schedule()->mutable_cosine();
  CHECK(ErrorOf(spec) == "optimizer.schedule.cosine.total_steps is 0; wanted a whole number >= 1");

  spec = Minimal();
  spec.mutable_optimizer()->mutable_schedule()->mutable_step()->set_every_steps(1);
  CHECK(Resolved(spec).optimizer().schedule().step().gamma() == 0.1);
}

TEST_CASE("staleness has a bound, and what happens beyond one wants one") {
  v1::JobSpec spec = Minimal();
  spec.mutable_consistency()->mutable_ssp()->set_staleness(1000001);
  CHECK(ErrorOf(spec) ==
        "consistency.ssp.staleness is 1000001; wanted a whole number in [0, 1000000]");

  spec = Minimal();
  spec.mutable_consistency()->mutable_async()->set_on_stale(v1::AsyncMode::DAMP);
  CHECK(ErrorOf(spec).find("consistency.async.on_stale is given without max_staleness") == 0);
}

TEST_CASE("worker weights are in range and want a rule that uses them") {
  v1::JobSpec spec = Minimal();
  (*spec.mutable_merge()->mutable_worker_weights())["w"] = 2;
  CHECK(ErrorOf(spec).find("merge.worker_weights is given, but merge.rule samples") == 0);

  spec.mutable_merge()->set_rule(v1::MergeSpec::WORKER);
  CHECK(StatusOf(Resolved(spec)).ok());

  (*spec.mutable_merge()->mutable_worker_weights())["w"] = 0;
  CHECK(ErrorOf(spec) == "merge.worker_weights.w is 0; wanted a number in (0, 1e+06]");

  (*spec.mutable_merge()->mutable_worker_weights())["w"] = 1;
  (*spec.mutable_merge()->mutable_worker_weights())[""] = 1;
  CHECK(ErrorOf(spec) == "merge.worker_weights names an empty worker id");

  spec.mutable_merge()->clear_worker_weights();
  (*spec.mutable_merge()->mutable_worker_weights())["a\n"] = 1;
  CHECK(ErrorOf(spec) ==
        "merge.worker_weights names the worker \"a\\n\"; wanted text without control characters");
}

TEST_CASE("the fleet's sizes are bounded") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_servers(0);
  CHECK(ErrorOf(spec) == "fleet.servers is 0; wanted a whole number in [1, 1024]");

  spec = Minimal();
  spec.mutable_fleet()->set_replicas(0);
  CHECK(ErrorOf(spec) == "fleet.replicas is 0; wanted a whole number in [1, 16]");

  spec = Minimal();
  spec.mutable_fleet()->set_min_in_sync(17);
  CHECK(ErrorOf(spec) == "fleet.min_in_sync is 17; wanted a whole number in [1, 16]");
}

TEST_CASE("checkpoints are taken only if asked for, then every minute if nothing else is said") {
  CHECK_FALSE(Resolved(Minimal()).has_checkpoint());

  v1::JobSpec spec = Minimal();
  spec.mutable_checkpoint();
  CHECK(Resolved(spec).checkpoint().every_s() == 60);
  CHECK(Resolved(spec).checkpoint().keep() == 3);
  CHECK_FALSE(Resolved(spec).checkpoint().has_every_rounds());

  spec.mutable_checkpoint()->set_every_rounds(100);
  CHECK_FALSE(Resolved(spec).checkpoint().has_every_s());
  spec.mutable_checkpoint()->set_every_s(5);
  CHECK(Resolved(spec).checkpoint().every_s() == 5);
  CHECK(Resolved(spec).checkpoint().every_rounds() == 100);
}

TEST_CASE("checkpoints go to a folder, and to no object store") {
  v1::JobSpec spec = Minimal();
  spec.mutable_checkpoint()->set_path("runs/c");
  CHECK(Resolved(spec).checkpoint().path() == "runs/c");

  spec.mutable_checkpoint()->set_path("s3://bucket/runs");
  CHECK(absl::StartsWith(ErrorOf(spec), "checkpoint.path is 's3://bucket/runs': checkpoints are "));
}

TEST_CASE("how often checkpoints are taken, and how many are kept, is bounded") {
  v1::JobSpec spec = Minimal();
  spec.mutable_checkpoint()->set_every_s(86401);
  CHECK(ErrorOf(spec) == "checkpoint.every_s is 86401; wanted a whole number in [1, 86400]");
  spec.mutable_checkpoint()->set_every_s(0);
  CHECK(ErrorOf(spec) == "checkpoint.every_s is 0; wanted a whole number in [1, 86400]");

  spec = Minimal();
  spec.mutable_checkpoint()->set_every_rounds(1000000000001);
  CHECK(ErrorOf(spec) ==
        "checkpoint.every_rounds is 1000000000001; wanted a whole number in [1, 1000000000000]");

  spec = Minimal();
  spec.mutable_checkpoint()->set_keep(0);
  CHECK(ErrorOf(spec) == "checkpoint.keep is 0; wanted a whole number in [1, 1000]");

  spec = Minimal();
  spec.mutable_checkpoint()->set_path("/a\nb");
  CHECK(ErrorOf(spec).find("checkpoint.path is ") == 0);
}

TEST_CASE("the servers that partitions are cut for are bounded, and stay unsaid if they are") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_layout_servers(1025);
  CHECK(ErrorOf(spec) == "fleet.layout_servers is 1025; wanted a whole number in [1, 1024]");
  spec.mutable_fleet()->set_layout_servers(7);
  CHECK(Resolved(spec).fleet().layout_servers() == 7);
  CHECK_FALSE(Resolved(Minimal()).fleet().has_layout_servers());
}

TEST_CASE("no more copies must be in sync than there are") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_replicas(3);
  spec.mutable_fleet()->set_min_in_sync(3);
  CHECK(Resolved(spec).fleet().min_in_sync() == 3);

  spec.mutable_fleet()->set_replicas(2);
  CHECK(ErrorOf(spec) == "fleet.min_in_sync is 3; wanted at most fleet.replicas (2)");
}

TEST_CASE("layers get their defaults, those inside residuals too") {
  v1::JobSpec spec = Minimal();
  v1::ModelSpec* model = spec.mutable_model();
  model->mutable_layers()->Clear();
  model->add_layers()->mutable_reshape()->add_shape(8);
  model->mutable_layers(0)->mutable_reshape()->add_shape(4);
  v1::ResidualLayer* residual = model->add_layers()->mutable_residual();
  residual->add_layers()->mutable_attention();
  residual->add_layers()->mutable_layer_norm();
  model->add_layers()->mutable_max_pool()->set_size(2);
  model->add_layers()->mutable_convolution()->set_channels(1);
  model->add_layers()->mutable_global_average_pool();

  const v1::ModelSpec resolved = Resolved(spec).model();

  const v1::AttentionLayer& attention = resolved.layers(1).residual().layers(0).attention();
  CHECK(attention.heads() == 1);
  CHECK(attention.has_causal());
  CHECK(resolved.layers(1).residual().layers(1).layer_norm().epsilon() == 1e-5f);
  CHECK(resolved.layers(2).max_pool().stride() == 2);
  CHECK(resolved.layers(3).convolution().kernel() == 3);
  CHECK(resolved.layers(3).convolution().stride() == 1);
  CHECK(resolved.layers(3).convolution().padding() == 0);
}

TEST_CASE("numbers of layers are checked wherever they stand") {
  v1::JobSpec spec = Minimal();
  v1::ResidualLayer* residual = spec.mutable_model()->add_layers()->mutable_residual();
  residual->add_layers()->mutable_dropout()->set_rate(1);
  CHECK(ErrorOf(spec) ==
        "model.layers[1].residual.layers[0].dropout.rate is 1; wanted a number in [0, 1)");

  residual->mutable_layers(0)->mutable_max_pool();
  CHECK(ErrorOf(spec) ==
        "model.layers[1].residual.layers[0].max_pool.size is 0; wanted a whole "
        "number in [1, 256]");
}

TEST_CASE("label smoothing belongs to softmax cross-entropy") {
  v1::JobSpec spec = Minimal();
  spec.mutable_model()->set_label_smoothing(0.1f);
  CHECK(ErrorOf(spec) ==
        "model.label_smoothing is given, but model.loss is mse; it belongs to "
        "softmax_cross_entropy");

  spec.mutable_model()->set_loss(v1::ModelSpec::SOFTMAX_CROSS_ENTROPY);
  CHECK(Resolved(spec).model().label_smoothing() == 0.1f);
  spec.mutable_model()->set_label_smoothing(1);
  CHECK(ErrorOf(spec) == "model.label_smoothing is 1; wanted a number in [0, 1)");
  spec.mutable_model()->clear_label_smoothing();
  CHECK(Resolved(spec).model().has_label_smoothing());
}

TEST_CASE("a primary may acknowledge alone only where lost work is granted again") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_acks(v1::FleetSpec::LEADER);
  spec.mutable_consistency()->mutable_sync();
  CHECK(ErrorOf(spec) ==
        "fleet.acks is leader and consistency sync: an acknowledged round is not computed again; "
        "wanted consistency ssp or async, or acks all");
  spec.mutable_consistency()->mutable_quorum()->set_workers(1);
  CHECK(ErrorOf(spec) ==
        "fleet.acks is leader and consistency quorum: an acknowledged round is not computed again; "
        "wanted consistency ssp or async, or acks all");
  spec.mutable_consistency()->mutable_ssp();
  CHECK(Resolved(spec).fleet().acks() == v1::FleetSpec::LEADER);
  spec.mutable_consistency()->mutable_async();
  CHECK(Resolved(spec).fleet().acks() == v1::FleetSpec::LEADER);
}

TEST_CASE("a quorum is of the workers that the job wants, and carries only where it is told to") {
  v1::JobSpec spec = Minimal();
  spec.mutable_fleet()->set_workers(4);
  v1::QuorumMode* const quorum = spec.mutable_consistency()->mutable_quorum();
  CHECK(ErrorOf(spec) == "consistency.quorum.workers is 0; wanted a whole number in [1, 65536]");
  quorum->set_workers(5);
  CHECK(ErrorOf(spec) == "consistency.quorum.workers is 5; wanted at most fleet.workers (4)");
  quorum->set_workers(3);
  v1::JobSpec resolved = Resolved(spec);
  CHECK(resolved.consistency().quorum().grace() == 3);
  CHECK(resolved.consistency().quorum().on_late() == v1::QuorumMode::DROP);
  CHECK_FALSE(resolved.consistency().quorum().has_carry_weight());
  CHECK(Resolved(resolved).SerializeAsString() == resolved.SerializeAsString());

  quorum->set_grace(-1);
  CHECK(ErrorOf(spec) == "consistency.quorum.grace is -1; wanted a number in [0, 1000]");
  quorum->set_grace(std::numeric_limits<double>::quiet_NaN());
  CHECK(ErrorOf(spec).find("consistency.quorum.grace is nan") == 0);
  quorum->set_grace(0);
  quorum->set_carry_weight(0.5);
  CHECK(
      ErrorOf(spec) ==
      "consistency.quorum.carry_weight is given, but nothing is carried; wanted on_late carry, or "
      "neither");
  quorum->set_on_late(v1::QuorumMode::CARRY);
  quorum->set_carry_weight(0);
  CHECK(ErrorOf(spec) == "consistency.quorum.carry_weight is 0; wanted a number in (0, 1]");
  quorum->clear_carry_weight();
  resolved = Resolved(spec);
  CHECK(resolved.consistency().quorum().carry_weight() == 0.5);
  CHECK(resolved.consistency().quorum().grace() == 0);
  CHECK(Resolved(resolved).SerializeAsString() == resolved.SerializeAsString());
}

}  // namespace
}  // namespace paceline
