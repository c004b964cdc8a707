import Foundation
import ImageIO
import UIKit

/// A photo, and which side of it is up.
struct Photo {
    let image: CGImage
    let orientation: CGImagePropertyOrientation

    /// Photos of 48 megapixels would take more memory than some phones give an app.
    static let longestSide = 4096

    /// Of a file; turned, so that it is upright.
    init(data: Data) throws {
        let options: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true,
            kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: Photo.longestSide,
        ]
        guard let source = CGImageSourceCreateWithData(data as CFData, nil),
            let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
        else { throw AppError.noPhoto }
        self.image = image
        orientation = .up
    }

    /// Of the camera, which says how the phone was held.
    init(_ taken: UIImage) throws {
        guard let image = taken.cgImage else { throw AppError.noPhoto }
        self.image = image
        orientation = CGImagePropertyOrientation(taken.imageOrientation)
    }
}

extension CGImagePropertyOrientation {
    init(_ orientation: UIImage.Orientation) {
        switch orientation {
        case .up: self = .up
        case .down: self = .down
        case .left: self = .left
        case .right: self = .right
        case .upMirrored: self = .upMirrored
        case .downMirrored: self = .downMirrored
        case .leftMirrored: self = .leftMirrored
        case .rightMirrored: self = .rightMirrored
        @unknown default: self = .up
        }
    }
}
