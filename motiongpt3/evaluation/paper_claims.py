"""What the paper claims, table by table; none is left out because it cannot be shown here.

Figures of the paper are those of HumanML3D. They say which way a comparison goes and how far, and
are never to be read beside ours: another set, another evaluator, models a hundredth of the size.
"""

from motiongpt3.evaluation.claims import Claim
from motiongpt3.evaluation.model_alone import M2T, T2M

_R3, _FID, _READ = f"{T2M}: R@3", f"{T2M}: FID-32", f"{M2T}: R@3"
_NO_BERT = "BERTScore needs roberta-large, which is not at hand; the paper's other figure is above"
_SHORT = "the models here see a thousandth of the paper's examples"
_CODECS = (
    "our VAE has a linear path, which is good before it is trained (see the codec's own figures), "
    "and a VQ-VAE has not, which shows in all that is made of its ids"
)
_NO_GPT2 = (
    "no GPT-2 stands behind the text branch here: a stage of words takes its place, so there is "
    "little to protect from motion"
)

COMPONENTS = (
    Claim("Latents of a VAE make better motions than ids of a VQ-VAE, one branch (R@3)",
          ".792 over .435", _R3, "unified-vae", "unified-vq", differs=_CODECS),
    Claim("The same with two branches (R@3)",
          ".826 over .532", _R3, "bimodal-vae", "bimodal-vq", differs=_CODECS),
    Claim("With two branches latents are also nearer to real motions (FID)",
          ".239 under .454", _FID, "bimodal-vae", "bimodal-vq", "lower", differs=_CODECS),
    Claim("With one branch ids are nearer to real motions than latents (FID)",
          ".403 under .489", _FID, "unified-vq", "unified-vae", "lower", differs=_CODECS),
    Claim("Two branches make better motions than one, with latents (R@3)",
          ".826 over .792", _R3, "bimodal-vae", "unified-vae",
          differs=f"{_NO_GPT2}; one branch is given as many weights here"),
    Claim("Two branches are nearer to real motions than one, with latents (FID)",
          ".239 under .489", _FID, "bimodal-vae", "unified-vae", "lower",
          differs=f"{_NO_GPT2}; one branch is given as many weights here"),
    Claim("Two branches make better motions than one, with ids (R@3)",
          ".532 over .435", _R3, "bimodal-vq", "unified-vq",
          differs=f"{_NO_GPT2}; one branch is given as many weights here"),
    Claim("With ids one branch is nearer to real motions than two (FID)",
          ".403 under .454", _FID, "unified-vq", "bimodal-vq", "lower", differs=_SHORT),
    Claim("Two branches tell motions better than one, with latents (R@3 of captions)",
          ".853 over .426", _READ, "bimodal-vae", "unified-vae",
          differs=f"{_NO_GPT2}; the paper's one branch loses GPT-2's language, ours has none"),
    Claim("With two branches latents are told better than ids (R@3 of captions)",
          ".853 over .702", _READ, "bimodal-vae", "bimodal-vq", differs=_CODECS),
    Claim("Two branches tell motions better than one, with latents (BERTScore)",
          "35.850 over 16.197", "", "bimodal-vae", "unified-vae", unmeasured=_NO_BERT),
    Claim("With two branches latents are told better than ids (BERTScore)",
          "35.850 over 18.085", "", "bimodal-vae", "bimodal-vq", unmeasured=_NO_BERT),
)  # fmt: skip

STAGES = (
    Claim("Stage II after Stage I makes better motions (R@3)",
          ".831 over .826", _R3, "stages-12", "stages-1",
          differs="equal budgets: Stage II takes its steps from Stage I; the gap is small"),
    Claim("Stage II after Stage I is nearer to real motions (FID)",
          ".215 under .239", _FID, "stages-12", "stages-1", "lower",
          differs="equal budgets: Stage II takes its steps from Stage I"),
    Claim("Stage III after both makes better motions (R@3)",
          ".837 over .831", _R3, "stages-123", "stages-12", differs=_NO_GPT2),
    Claim("Stage III after both is nearer to real motions (FID)",
          ".208 under .215", _FID, "stages-123", "stages-12", "lower", differs=_NO_GPT2),
    Claim("Stage III after both tells motions better (R@1 of captions)",
          ".573 over .571", f"{M2T}: R@1", "stages-123", "stages-12", differs=_NO_GPT2),
    Claim("Without Stage I motions are worse (R@3)",
          ".837 over .772", _R3, "stages-123", "stages-23",
          differs="equal budgets: without Stage I the others are longer"),
    Claim("Without Stage I motions are farther from real ones (FID)",
          ".208 under .325", _FID, "stages-123", "stages-23", "lower",
          differs="equal budgets: without Stage I the others are longer"),
    Claim("Without Stage I motions are told as well: no more than .02 worse (R@1 of captions)",
          ".573 and .573", f"{M2T}: R@1", "stages-23", "stages-123", above=-0.02,
          differs=_SHORT),
)  # fmt: skip

CROSS_MODAL_LAYERS = (
    Claim("Meeting in the last five layers is better than in the last alone (R@3)",
          "improves up to L = 5; figures not published", _R3, "last5", "last1",
          differs="six layers here, twelve in the paper"),
    Claim("It is also nearer to real motions (FID)",
          "improves up to L = 5; figures not published", _FID, "last5", "last1", "lower",
          differs="six layers here, twelve in the paper"),
    Claim("A sixth layer is slightly worse (R@3)",
          "slight drop at L = 6; figures not published", _R3, "last5", "bimodal-vae",
          differs="six layers here, so the sixth is all of them; a slight drop is within noise"),
)  # fmt: skip

_RATE = (
    "the learning rate falls to nothing here, and stays in the paper: what is reached early is "
    "reached at a high rate"
)
SOONER_LOSS, SOONER_HELD_OUT = "sooner, training loss", "sooner, held-out loss"
SOONER_R3 = "sooner, held-out R@3"
PER_STEP, PER_WORK = "by steps", "by work"
NARROW = "bimodal-vae against unified-narrow-vae"
WIDE = "bimodal-vae against unified-vae"
"""Rows of the convergence table: one branch of the same width, and of as many weights."""

CONVERGENCE = tuple(
    Claim(f"{what} {who}, {how}", paper, f"{figure}, {how}", row, above=above, differs=_RATE)
    for figure, what, paper, above in (
        (SOONER_LOSS, "The diffusion loss falls at least twice as fast as with",
         "2x in training", 2.0),
        (SOONER_HELD_OUT, "The held-out diffusion loss falls up to four times, so more than twice, "
         "as fast as with", "up to 4x in validation", 2.0),
        (SOONER_R3, "R@3 on val rises up to four times, so more than twice, as fast as with",
         "up to 4x in validation", 2.0),
    )
    for row, who in ((NARROW, "one branch of the same width"), (WIDE, "one of as many weights"))
    for how in (PER_STEP, PER_WORK)
)  # fmt: skip

_OTHERS = (
    "no other method's model is at hand for motion5h, and figures of other sets do not compare"
)
MAIN = (
    Claim("Made motions are found by their captions more often than real ones (R@3)",
          ".837 over .797", _R3, "model", "real",
          differs="the evaluator is trained on the set that both are from; the paper's was not "
          "trained on motions like those made"),
    Claim("Made motions are closer to their captions than real ones (MM-Dist)",
          "2.725 under 2.974", f"{T2M}: MM-Dist", "model", "real", "lower",
          differs="the evaluator is trained on the set that both are from; the paper's was not "
          "trained on motions like those made"),
    Claim("Captions of the model are found by their motions more often than people's (R@3)",
          ".864 over .797, real pairs", _READ, "model", "reference caption",
          differs="captions of the set have one of a few wordings each, which are easily found"),
    Claim("Better motions than earlier methods (MoTe, MoMask)",
          ".837 over .825 and .807", "", "model", unmeasured=_OTHERS),
    Claim("Better captions than earlier methods (MoTe)",
          "Bleu@4 19.412 over 11.15", "", "model", unmeasured=_OTHERS),
)  # fmt: skip
