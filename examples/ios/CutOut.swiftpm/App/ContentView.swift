import PhotosUI
import SwiftUI
import UIKit

struct ContentView: View {
    @StateObject private var cutOut = CutOut()
    @State private var picked: PhotosPickerItem?
    @State private var takesPhoto = false

    var body: some View {
        NavigationStack {
            VStack(spacing: 16) {
                result
                status
                if Masks.labels.count > 1 {
                    Picker("Class", selection: $cutOut.plane) {
                        ForEach(Masks.labels.indices, id: \.self) { plane in
                            Text(Masks.labels[plane]).tag(plane)
                        }
                    }
                    .pickerStyle(.menu)
                }
                buttons
            }
            .padding()
            .navigationTitle(Network.name)
            .navigationBarTitleDisplayMode(.inline)
        }
        .task(id: picked) {
            guard let picked else { return }
            cutOut.show {
                guard let data = try await picked.loadTransferable(type: Data.self) else {
                    throw AppError.noPhoto
                }
                return try Photo(data: data)
            }
        }
        .fullScreenCover(isPresented: $takesPhoto) {
            Camera { taken in
                takesPhoto = false
                guard let taken else { return }
                cutOut.show { try Photo(taken) }
            }
            .ignoresSafeArea()
        }
    }

    private var result: some View {
        ZStack {
            if let picture = cutOut.picture {
                Image(uiImage: picture.image)
                    .resizable()
                    .scaledToFit()
                    .background(Checkerboard())
                    .accessibilityLabel("The cut-out")
            } else if !cutOut.busy {
                ContentUnavailableView("No photo yet", systemImage: "person.crop.rectangle")
            }
            if cutOut.busy {
                ProgressView()
                    .controlSize(.large)
            }
        }
        .frame(maxWidth: .infinity, maxHeight: .infinity)
    }

    private var status: some View {
        VStack(spacing: 4) {
            if let failure = cutOut.failure {
                Text(failure)
                    .foregroundStyle(.red)
            } else if let seconds = cutOut.seconds {
                Text("\(Int((seconds * 1000).rounded())) ms from photo to mask")
                    .monospacedDigit()
            }
            Text("\(Network.target), weights: \(Network.license)")
                .font(.footnote)
                .foregroundStyle(.secondary)
        }
        .multilineTextAlignment(.center)
    }

    private var buttons: some View {
        HStack(spacing: 12) {
            PhotosPicker(selection: $picked, matching: .images) {
                Label("Photo", systemImage: "photo")
            }
            if UIImagePickerController.isSourceTypeAvailable(.camera) {
                Button {
                    takesPhoto = true
                } label: {
                    Label("Camera", systemImage: "camera")
                }
            }
            if let picture = cutOut.picture {
                ShareLink(item: picture.file) {
                    Label("Share or save", systemImage: "square.and.arrow.up")
                }
            }
        }
        .buttonStyle(.bordered)
    }
}

/// What is transparent shows it.
struct Checkerboard: View {
    private let side: CGFloat = 12

    var body: some View {
        Canvas { context, size in
            for row in 0..<Int((size.height / side).rounded(.up)) {
                for column in 0..<Int((size.width / side).rounded(.up)) where (row + column) % 2 == 0 {
                    let square = CGRect(
                        x: CGFloat(column) * side, y: CGFloat(row) * side, width: side, height: side)
                    context.fill(Path(square), with: .color(.gray.opacity(0.3)))
                }
            }
        }
    }
}

/// The system's camera.
struct Camera: UIViewControllerRepresentable {
    /// Called once, with nothing where no photo was taken.
    let done: (UIImage?) -> Void

    func makeUIViewController(context: Context) -> UIImagePickerController {
        let controller = UIImagePickerController()
        controller.sourceType = .camera
        controller.delegate = context.coordinator
        return controller
    }

    func updateUIViewController(_ controller: UIImagePickerController, context: Context) {}

    func makeCoordinator() -> Coordinator {
        Coordinator(done: done)
    }

    final class Coordinator: NSObject, UIImagePickerControllerDelegate, UINavigationControllerDelegate {
        private let done: (UIImage?) -> Void

        init(done: @escaping (UIImage?) -> Void) {
            self.done = done
        }

        func imagePickerController(
            _ picker: UIImagePickerController,
            didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
        ) {
            done(info[.originalImage] as? UIImage)
        }

        func imagePickerControllerDidCancel(_ picker: UIImagePickerController) {
            done(nil)
        }
    }
}
