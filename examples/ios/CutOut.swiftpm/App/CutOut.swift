import Foundation
import SwiftUI
import UIKit

/// What the view shows: the network's answer to the latest photo.
@MainActor
final class CutOut: ObservableObject {
    struct Picture {
        let image: UIImage
        /// The same as a PNG, for others.
        let file: URL
    }

    @Published private(set) var picture: Picture?
    @Published private(set) var seconds: Double?
    @Published private(set) var failure: String?
    @Published private(set) var busy = false
    /// Which class is cut out, where the network knows several.
    @Published var plane = 0 {
        didSet { draw() }
    }

    private var loading: Task<Segmenter, Error>?
    private var latest: (photo: Photo, masks: Masks)?
    private var work: Task<Void, Never>?

    /// Cut out what `load` gives; a photo that is still being drawn is dropped.
    func show(_ load: @escaping @Sendable () async throws -> Photo) {
        work?.cancel()
        run {
            let segmenter = try await self.segmenter()
            let photo = try await load()
            let clock = ContinuousClock()
            let start = clock.now
            let masks = try await segmenter.masks(photo.image, orientation: photo.orientation)
            let taken = clock.now - start
            try Task.checkCancellation()
            self.latest = (photo, masks)
            self.seconds = Double(taken.components.seconds) + Double(taken.components.attoseconds) / 1e18
            try await self.show(photo, masks)
        }
    }

    func fail(_ error: Error) {
        failure = error.localizedDescription
    }

    private func draw() {
        guard let latest else { return }
        run { try await self.show(latest.photo, latest.masks) }
    }

    private func run(_ body: @escaping @MainActor () async throws -> Void) {
        let before = work
        work = Task {
            await before?.value
            busy = true
            failure = nil
            do {
                try Task.checkCancellation()
                try await body()
            } catch {
                if !Task.isCancelled {
                    fail(error)
                }
            }
            busy = false
        }
    }

    /// Made once: compiling takes seconds the first time.
    private func segmenter() async throws -> Segmenter {
        let task = loading ?? Task.detached { try Segmenter(modelAt: try await ModelFile.compiled()) }
        loading = task
        do {
            return try await task.value
        } catch {
            loading = nil
            throw error
        }
    }

    private func show(_ photo: Photo, _ masks: Masks) async throws {
        let plane = plane
        let drawn = try await Task.detached {
            let image = UIImage(
                cgImage: try Pixels.cutout(photo.image, photo.orientation, masks, plane: plane))
            guard let png = image.pngData() else { throw AppError.noPicture }
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("cut-out-\(UUID().uuidString).png")
            try png.write(to: file)
            return Picture(image: image, file: file)
        }.value
        try Task.checkCancellation()
        if let old = picture {
            try? FileManager.default.removeItem(at: old.file)
        }
        picture = drawn
    }
}
