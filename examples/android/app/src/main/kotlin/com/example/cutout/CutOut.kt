package com.example.cutout

import android.app.Application
import android.graphics.Bitmap
import android.net.Uri
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableIntStateOf
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.viewModelScope
import com.example.cutout.network.Masks
import com.example.cutout.network.Segmenter
import java.io.File
import java.util.concurrent.Executors
import kotlin.time.measureTimedValue
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** What the screen shows: the network's answer to the latest photo. It outlives a turn of the phone. */
class CutOut(application: Application) : AndroidViewModel(application) {
    /** A cut-out, and the same as a PNG. */
    class Picture(val bitmap: Bitmap, val png: File)

    var picture by mutableStateOf<Picture?>(null)
        private set
    var milliseconds by mutableStateOf<Long?>(null)
        private set
    var accelerator by mutableStateOf<String?>(null)
        private set
    var failure by mutableStateOf<String?>(null)
        private set
    var busy by mutableStateOf(false)
        private set

    /** Which class is cut out, where the network knows several. */
    var plane by mutableIntStateOf(0)
        private set

    // The GPU's accelerator wants the thread that made it.
    private val worker = Executors.newSingleThreadExecutor()
    private val dispatcher = worker.asCoroutineDispatcher()
    private var segmenter: Segmenter? = null
    private var latest: Pair<Bitmap, Masks>? = null
    private var work: Job? = null

    /** Cut out a photo; one that is still being drawn is dropped. */
    fun show(photo: Uri) {
        work?.cancel()
        run {
            val bitmap = decoded(getApplication<Application>(), photo)
            ensureActive()
            val made = segmenter ?: Segmenter(getApplication<Application>()).also { segmenter = it }
            val (masks, time) = measureTimedValue { made.masks(bitmap) }
            latest = Pair(bitmap, masks)
            accelerator = made.accelerator.name
            milliseconds = time.inWholeMilliseconds
            draw(bitmap, masks)
        }
    }

    fun choose(plane: Int) {
        this.plane = plane
        run { latest?.let { (photo, masks) -> draw(photo, masks) } }
    }

    fun fail(error: Throwable) {
        failure = error.message ?: error.toString()
    }

    private fun draw(photo: Bitmap, masks: Masks) {
        val cutout = masks.cutout(photo, plane)
        picture = Picture(cutout, written(getApplication<Application>(), cutout))
    }

    private fun run(body: suspend CoroutineScope.() -> Unit) {
        val before = work
        work = viewModelScope.launch {
            before?.join()
            busy = true
            failure = null
            try {
                withContext(dispatcher, body)
            } catch (error: CancellationException) {
                throw error
            } catch (error: Exception) {
                fail(error)
            } catch (error: OutOfMemoryError) {
                fail(error)
            } finally {
                busy = false
            }
        }
    }

    override fun onCleared() {
        worker.execute { segmenter?.close() }
        worker.shutdown()
    }
}
