using ImageWorkers.Messaging;

namespace ImageWorkers.Painting;

/// <summary>The painter with the pace of a large model: what lines, cancellation and lost workers are like can be
/// watched with it.</summary>
internal sealed class PatientPainter(Painter painter, WorkerSettings settings, TimeProvider time) : IImageModel
{
    public string Name => "patient";

    public async Task<ReadOnlyMemory<byte>> DrawAsync(string prompt, int seed, CancellationToken unwanted)
    {
        await Task.Delay(settings.DrawingTime, time, unwanted);
        return await painter.DrawAsync(prompt, seed, unwanted);
    }
}
