import SwiftUI

@main
struct CutOutApp: App {
    var body: some Scene {
        WindowGroup {
            ContentView()
        }
    }
}
