namespace FederatedLearning.Training.Data;

/// <summary>Data to train on, and data held out from it.</summary>
/// <param name="Train">To train on.</param>
/// <param name="Test">To test on.</param>
public sealed record LearningData(Dataset Train, Dataset Test)
{
    /// <summary>Reads or draws all data.</summary>
    /// <exception cref="InvalidDataException">A file is not of the format.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static LearningData Load(LearningSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Files is not { } files)
            return new LearningData(
                DrawnDigits.Draw(settings.TrainSamples, settings.Seed),
                DrawnDigits.Draw(settings.TestSamples, settings.Seed, 1));
        var data = new LearningData(
            IdxReader.Read(files.TrainImages, files.TrainLabels), IdxReader.Read(files.TestImages, files.TestLabels));
        return data.Train.Inputs == data.Test.Inputs
            ? data
            : throw new InvalidDataException(
                $"{files.TestImages} has images of another size than {files.TrainImages}.");
    }

    /// <summary>
    /// One client's share: of the training data evenly or skewed as the settings say, of the test data always evenly,
    /// so that the clients' metrics together are those of the whole. Of drawn digits only the share is drawn.
    /// </summary>
    /// <param name="settings">Which data, and how they are split. All clients must use the same.</param>
    /// <param name="share">Which share, from 0. Beyond the number of shares it begins anew: more clients than shares
    /// train on the same.</param>
    /// <exception cref="InvalidDataException">A file is not of the format.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static LearningData LoadShare(LearningSettings settings, int share)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        share %= settings.Shares;
        if (settings.Files is not null)
        {
            var all = Load(settings);
            return new LearningData(
                all.Train.Select(TrainShares(all.Train.Labels, settings)[share]), all.Test.Select(
                    TestShares(all.Test.Count, settings)[share]));
        }
        return new LearningData(
            DrawnDigits.Draw(TrainShares(DrawnDigits.LabelsOf(settings.TrainSamples), settings)[share], settings.Seed),
            DrawnDigits.Draw(TestShares(settings.TestSamples, settings)[share], settings.Seed, 1));
    }

    private static IReadOnlyList<int>[] TrainShares(ReadOnlySpan<byte> labels, LearningSettings settings)
        => settings.DirichletAlpha is { } alpha
            ? Partition.Dirichlet(labels, settings.Shares, alpha, settings.Seed)
            : Partition.Even(labels.Length, settings.Shares, settings.Seed);

    private static IReadOnlyList<int>[] TestShares(int count, LearningSettings settings)
        => Partition.Even(count, settings.Shares, settings.Seed);
}
