package com.example.cutout

import android.content.ActivityNotFoundException
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.TakePicture
import androidx.compose.foundation.Image
import androidx.compose.foundation.horizontalScroll
import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.ColumnScope
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.aspectRatio
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.foundation.rememberScrollState
import androidx.compose.material3.Button
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.FilterChip
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Surface
import androidx.compose.material3.Text
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.draw.drawBehind
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.geometry.Size
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.asImageBitmap
import androidx.compose.ui.graphics.drawscope.DrawScope
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.unit.dp
import androidx.lifecycle.viewmodel.compose.viewModel
import com.example.cutout.network.Network
import com.example.cutout.network.Segmenter

class MainActivity : ComponentActivity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent {
            MaterialTheme(if (isSystemInDarkTheme()) darkColorScheme() else lightColorScheme()) {
                Surface(Modifier.fillMaxSize()) {
                    Screen(viewModel())
                }
            }
        }
    }
}

@Composable
fun Screen(cutOut: CutOut) {
    Column(
        Modifier.fillMaxSize().safeDrawingPadding().padding(16.dp),
        verticalArrangement = Arrangement.spacedBy(12.dp),
        horizontalAlignment = Alignment.CenterHorizontally,
    ) {
        Text(Network.NAME, style = MaterialTheme.typography.titleLarge)
        Result(cutOut)
        Status(cutOut)
        if (Segmenter.LABELS.size > 1) Classes(cutOut)
        Buttons(cutOut)
    }
}

@Composable
private fun ColumnScope.Result(cutOut: CutOut) {
    Box(Modifier.weight(1f).fillMaxWidth(), contentAlignment = Alignment.Center) {
        val picture = cutOut.picture
        if (picture != null) {
            Image(
                picture.bitmap.asImageBitmap(),
                contentDescription = stringResource(R.string.cutout),
                modifier = Modifier
                    .aspectRatio(picture.bitmap.width / picture.bitmap.height.toFloat())
                    .drawBehind { checkerboard() },
            )
        } else if (!cutOut.busy) {
            Text(stringResource(R.string.no_photo))
        }
        if (cutOut.busy) CircularProgressIndicator()
    }
}

@Composable
private fun Status(cutOut: CutOut) {
    val failure = cutOut.failure
    val milliseconds = cutOut.milliseconds
    val accelerator = cutOut.accelerator
    if (failure != null) {
        Text(failure, color = MaterialTheme.colorScheme.error, textAlign = TextAlign.Center)
    } else if (milliseconds != null && accelerator != null) {
        Text(stringResource(R.string.time, milliseconds, accelerator))
    }
    Text(
        stringResource(R.string.about, Network.TARGET, Network.LICENSE),
        style = MaterialTheme.typography.bodySmall,
        textAlign = TextAlign.Center,
    )
}

@Composable
private fun Classes(cutOut: CutOut) {
    Row(
        Modifier.horizontalScroll(rememberScrollState()),
        horizontalArrangement = Arrangement.spacedBy(8.dp),
    ) {
        Segmenter.LABELS.forEachIndexed { plane, label ->
            FilterChip(
                selected = cutOut.plane == plane,
                onClick = { cutOut.choose(plane) },
                label = { Text(label) },
            )
        }
    }
}

@Composable
private fun Buttons(cutOut: CutOut) {
    val context = LocalContext.current
    val picker = rememberLauncherForActivityResult(PickVisualMedia()) { photo ->
        if (photo != null) cutOut.show(photo)
    }
    val camera = rememberLauncherForActivityResult(TakePicture()) { taken ->
        if (taken) cutOut.show(cameraFile(context))
    }
    Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
        Button(onClick = { picker.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly)) }) {
            Text(stringResource(R.string.photo))
        }
        Button(
            onClick = {
                try {
                    camera.launch(cameraFile(context))
                } catch (error: ActivityNotFoundException) {
                    cutOut.fail(error)
                }
            },
        ) {
            Text(stringResource(R.string.camera))
        }
        cutOut.picture?.let { picture ->
            OutlinedButton(onClick = { share(context, picture.png) }) {
                Text(stringResource(R.string.share))
            }
        }
    }
}

/** What is transparent shows it. */
private fun DrawScope.checkerboard() {
    val side = 12.dp.toPx()
    for (row in 0..(size.height / side).toInt()) {
        for (column in 0..(size.width / side).toInt()) {
            val color = if ((row + column) % 2 == 0) Color.LightGray else Color.White
            val corner = Offset(column * side, row * side)
            drawRect(color, corner, Size(minOf(side, size.width - corner.x), minOf(side, size.height - corner.y)))
        }
    }
}
