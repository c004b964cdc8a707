package com.example.cutout

import android.content.Context
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.net.Uri
import androidx.core.content.FileProvider
import java.io.File
import java.io.IOException
import kotlin.math.roundToInt

/** Larger photos would take more memory than some phones give an app. */
private const val LONGEST_SIDE = 4096

/** The photo of a picker or of the camera: upright, in sRGB, where its pixels can be read. */
fun decoded(context: Context, uri: Uri): Bitmap =
    ImageDecoder.decodeBitmap(ImageDecoder.createSource(context.contentResolver, uri)) { decoder, info, _ ->
        decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
        decoder.setTargetColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
        val scale = LONGEST_SIDE / maxOf(info.size.width, info.size.height).toFloat()
        if (scale < 1) {
            decoder.setTargetSize(
                (info.size.width * scale).roundToInt().coerceAtLeast(1),
                (info.size.height * scale).roundToInt().coerceAtLeast(1),
            )
        }
    }

/** Where the camera app writes: one file, written over each time. */
fun cameraFile(context: Context): Uri = shared(context, File(photos(context), "camera.jpg"))

/** Hand a cut-out to another app, as a PNG. */
fun share(context: Context, png: File) {
    val uri = shared(context, png)
    val send = Intent(Intent.ACTION_SEND)
        .setType("image/png")
        .putExtra(Intent.EXTRA_STREAM, uri)
        .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
    context.startActivity(Intent.createChooser(send, null))
}

/** The cut-out as a file that can be shared. */
fun written(context: Context, cutout: Bitmap): File {
    val file = File(photos(context), "cut-out.png")
    val whole = file.outputStream().use { cutout.compress(Bitmap.CompressFormat.PNG, 100, it) }
    if (!whole) throw IOException("The cut-out can't be written as a PNG.")
    return file
}

private fun photos(context: Context) = File(context.cacheDir, "photos").apply { mkdirs() }

private fun shared(context: Context, file: File): Uri =
    FileProvider.getUriForFile(context, "${context.packageName}.files", file)
