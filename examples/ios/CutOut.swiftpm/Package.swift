// swift-tools-version: 5.9
// An app as a package: Xcode and Swift Playgrounds open the folder, there is no .xcodeproj.

import AppleProductTypes
import PackageDescription

let package = Package(
    name: "CutOut",
    platforms: [.iOS("17.0")],
    products: [
        .iOSApplication(
            name: "CutOut",
            targets: ["AppModule"],
            bundleIdentifier: "com.example.cutout",
            displayVersion: "1.0",
            bundleVersion: "1",
            appIcon: .placeholder(icon: .moon),
            accentColor: .presetColor(.teal),
            supportedDeviceFamilies: [.pad, .phone],
            supportedInterfaceOrientations: [
                .portrait,
                .landscapeRight,
                .landscapeLeft,
                .portraitUpsideDown(.when(deviceFamilies: [.pad])),
            ],
            capabilities: [
                .camera(purposeString: "Takes the photo whose object is cut out."),
                .photoLibraryAdd(purposeString: "Saves cut-outs, when you ask for it."),
            ]
        )
    ],
    targets: [
        .executableTarget(
            name: "AppModule",
            path: "App",
            // As it is: ModelFile.swift compiles it.
            resources: [.copy("Model")]
        )
    ]
)
