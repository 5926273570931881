// Texts with their classes: a folder for each class, and in it a .txt file for each sample.
//
// Errors   NotFound, PermissionDenied or what the system says of a folder or file; InvalidArgument
//          with its path: a file beside the folders of the classes, a class without texts, anything
//          but .txt files in it, a text above 64 MiB, what TextsBuilder says of a sample.
// Threads  A pure function of the files.
//
// Samples come in the order of the bytes of class and file name. Names that begin with a dot are
// left out. A byte order mark is not part of a text.
#ifndef PACELINE_WORKER_DATA_TEXT_FOLDER_H_
#define PACELINE_WORKER_DATA_TEXT_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/data/texts.h"

namespace paceline {

// `classes`, if empty, takes the names of the classes; else no other one is accepted.
absl::StatusOr<Texts> ReadTextFolder(const std::string& path, std::vector<std::string>* classes);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_TEXT_FOLDER_H_
