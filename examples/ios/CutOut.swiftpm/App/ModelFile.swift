import CoreML
import Foundation

/// The Core ML package of the bundle, compiled on the device the first time, and kept.
///
/// In an app that isn't a package, Xcode compiles it, and `Segmenter()` finds it by itself.
enum ModelFile {
    static func compiled() async throws -> URL {
        let caches = try FileManager.default.url(
            for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        // Another file has another checksum.
        let kept = caches.appendingPathComponent("\(Network.sha256).mlmodelc")
        if FileManager.default.fileExists(atPath: kept.path) {
            return kept
        }
        guard let package = Bundle.module.url(
            forResource: Network.file, withExtension: nil, subdirectory: "Model")
        else { throw AppError.noModel }
        let fresh = try await MLModel.compileModel(at: package)
        try FileManager.default.moveItem(at: fresh, to: kept)
        return kept
    }
}

enum AppError: LocalizedError {
    case noModel
    case noPhoto
    case noPicture

    var errorDescription: String? {
        switch self {
        case .noModel: "The app has no \(Network.file). Fill it with examples/copy_bundle.py."
        case .noPhoto: "This file is no photo that iOS reads."
        case .noPicture: "The cut-out can't be written as a PNG."
        }
    }
}
